/* cmd.h - what the verbs share: exit statuses, a box opened for use, output. */
#ifndef COWBOX_CMD_CMD_H
#define COWBOX_CMD_CMD_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "commit/commit.h"
#include "commit/history.h"
#include "options.h"
#include "overlay/box.h"
#include "overlay/changes.h"
#include "overlay/overlay.h"

enum cmd_exit {
	CMD_OK = 0,
	CMD_LEFT = 1, /* something asked for was left undone */
	CMD_USAGE = 2,
	CMD_FAILED = 3,       /* it failed and changed nothing */
	CMD_RUN_FAILED = 125, /* run: cowbox itself failed */
	CMD_RUN_NOT_EXECUTABLE = 126,
	CMD_RUN_NOT_FOUND = 127,
	CMD_RUN_SIGNAL = 128, /* run: plus the number of the signal */
};

/* ---- verbs.c ---- */
extern const struct verb *const verbs[]; /* NULL-terminated */

extern const struct verb verb_run, verb_status, verb_diff, verb_commit, verb_undo, verb_discard, verb_list, verb_log, verb_doctor, verb_help;

/* ---- help.c ---- */
void help_verb(const struct verb *v, FILE *out);
void help_all(FILE *out);
void help_version(FILE *out);
/* Handles the options every verb takes: 1 when the verb is done (all well), 0 when id is not one of them. */
int help_common(const struct verb *v, int id);
int usage(const struct verb *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The form of a listing. */
enum form { FORM_TEXT, FORM_JSON, FORM_NUL };
/* Takes --json and -z, of which there can be one only; other ids are left alone. 0, or CMD_USAGE after saying so. */
int form_option(const struct verb *v, int id, enum form *form);

/* ---- session.c: the box a verb works on ---- */
struct session {
	struct store *store;
	struct box *box;
	struct overlay *ov;
	bool only_looks; /* only_looks: nothing is changed: the box is not remembered as the one used last either */
};
/* Opens the store, which is there when a box of it is meant. name: as given by -b, or NULL. */
int session_store(struct store **ret, const char *name, struct err *err);
/* The name meant: name, else $COWBOX_BOX, else the box used last. */
int session_name(struct store *store, const char *name, char ret[static BOX_NAME_MAX + 1], struct err *err);
/* What the store has as the box used last, also one that is gone; "" for none. */
void session_last(struct store *store, char ret[static BOX_NAME_MAX + 1]);
/* Gives it back what session_last had told, where name is the last now. */
void session_restore_last(struct store *store, const char *name, const char *last);
/* Says which box it is when nobody named one and it could be another: name is what -b gave, or NULL. */
void session_tell(struct store *store, const struct box *box, const char *name);
/* Sees to what an interrupted commit has left, and says so: before anything else is done with the store. */
int session_recover(struct store *store, struct err *err);
/* Opens the box called name, else that of $COWBOX_BOX, else the one used last, which is told; remembers it as used last. */
int session_open(struct session *s, const char *name, struct err *err);
/* Removes the box, and says so, when nobody named it and nothing is in it any more: no change. The caller holds
 * no lock of it. True: it is gone. */
bool session_drop_empty(struct session *s);
void session_close(struct session *s);
#define _cleanup_session_ __attribute__((cleanup(session_close)))
/* Warns when the working directory is not there any more, on the host or in the view: a shell's own words about that name no cause. */
void session_tell_cwd(struct session *s);
/* Says the error, and gives the status for it: usage for a bad name, failed for the rest. */
int say_error(const char *verb, const struct err *err);
/* The same for what a busy box refuses (-EBUSY), in words of ours: whether a run or a commit works in it is not known. */
int say_box_error(const char *verb, const char *name, const struct box *box, const struct err *err);
#define USERS_MAX 64
/* Who uses the box: " (pid 12)", " (pids 12, 34)", or "" where that cannot be told. box: may be NULL. */
const char *session_users(const struct box *box, char ret[static USERS_MAX]);

/* Paths that a person typed, as the view names them. */
struct paths {
	struct vpath *list;
	size_t count;
};
/* Opens the box as session_open does, and reads the arguments as paths in its view. */
int session_open_paths(struct session *s, const char *name, const struct options *o, struct paths *ret, struct err *err);
void paths_release(struct paths *p);
#define _cleanup_paths_ __attribute__((cleanup(paths_release)))
/* True when the path is at or below one of them, or there are none. */
bool paths_hold(const struct paths *p, const char *path);
bool paths_match(const struct paths *p, const struct change *ch);
/* Names on stderr the paths at or below which nothing changed; tells how many they are. */
size_t paths_tell_unchanged(const struct paths *p, const struct changes *c, const struct box *box);

/* ---- term.c ---- */
enum colour_when { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };
int colour_parse(const char *text, enum colour_when *ret); /* -EINVAL: not one of auto, always, never */
bool colour_wanted(enum colour_when when, int fd);
bool term_is_interactive(void); /* stdin and stderr are a terminal that we can ask on */
int term_columns(int fd);       /* of the terminal that fd is; 0 when it is none, or does not know */
/* Makes us the foreground of our terminal again, after a guest's shell was. */
void term_take_back(void);
/* Asks on stderr; one key, without waiting for a line. What was typed before the question is thrown away. -1 at the end of input, which ^C and
 * signals that would end us are too: nobody dies of them while a question stands. After ^Z and fg it is asked again. */
int term_key(const char *text);
enum { TERM_END = -1, TERM_INTERRUPTED = -2 };
/* Asks on stderr; reads one line from stdin. words: the answers that count, "yes no all quit"; each may be given whole or by its first letter,
 * in any case. That letter, lower case; 0 for any other answer; TERM_END at the end of input (^D), TERM_INTERRUPTED after ^C, a signal that would
 * end us, or when the terminal is gone. */
int term_ask(const char *text, const char *words);
enum { KEY_INTERRUPT = 3, KEY_END = 4, KEY_ESCAPE = 27 };
/* What a key does; an array of them ends with key 0. KEY_INTERRUPT: ^C, which is told with any keys. */
struct key_help {
	char key;
	const char *text;
};
/* Asks on stderr until one of the keys is pressed, which is shown, and returned; any other, and '?', tells what the keys do. Enter and blanks are
 * passed over. TERM_END, TERM_INTERRUPTED: as term_ask. */
int term_choice(const char *text, const char *keys, const struct key_help *help);
char *size_text(uint64_t bytes, char ret[static 32]);
/* Cuts a printable text to so many columns, with "..." at the end of what was longer. */
void text_cut(char *text, size_t columns);
/* Writes words, and a newline: at most so many columns a line (0: all on one), of which used are taken already on the first; the others begin
 * with indent blanks. A longer word stands out. */
void text_wrap(FILE *out, const char *text, size_t used, size_t indent, size_t columns);
/* The rest of a line of which so many columns are used, printable, and cut where a terminal of that width ends (0: none). */
void text_rest(FILE *out, const char *text, int used, int columns);
#define TEXT_REST_MIN 12 /* columns that it has, however narrow the terminal is */
char *age_text(int64_t seconds, char ret[static 32]);

/* ---- progress.c: work that ^C, a hang-up and SIGTERM end between two steps ---- */
void progress_begin(const char *what);            /* what: "taking back" */
/* Tells how far it is, on a terminal, ten times a second from the first second on. 1: it is to be ended. */
int progress_step(size_t done, size_t total);
void progress_end(void);

/* ---- json.c ---- */
void json_text(FILE *out, const char *s);                     /* a string, valid UTF-8 whatever s is */
void json_path(FILE *out, const char *key, const char *path); /* "key":"...", and "key_bytes" in base64 when it is not UTF-8 */

/* ---- pager.c ---- */
struct pager {
	FILE *out;
	long pid;
	struct sigaction interrupt, pipe; /* interrupt, pipe: what SIGINT and SIGPIPE did before */
};
/* To the pager when stdout is a terminal (and $PAGER is not "" or "cat"), else stdout itself. */
void pager_begin(struct pager *p);
/* Waits until the reader has seen it. false: the pager failed, which is told, and what it was given must be shown without it. */
bool pager_end(struct pager *p);

/* ---- status.c ---- */
const char *kind_name(enum change_kind k);
const char *kind_colour(enum change_kind k);
const char *mode_type(mode_t mode);
/* "old -> new", or the path, printable; a directory's with a slash at its end. */
void change_print(FILE *out, const struct change *ch);
#define ABOUT_MAX (4 * PATH_MAX + 256)
/* " [set-uid: runs as user 0] (one file with PATH)": what is to be known of it before it is committed, or nothing. */
char *about_text(const struct commit_item *it, char *ret, size_t size);
void print_about(FILE *out, const struct commit_item *it);

/* ---- commit.c ---- */
const char *verdict_name(enum commit_verdict v);  /* for programs */
const char *verdict_label(enum commit_verdict v); /* for people, before the reason */
/* What commit leaves in the box, however much is asked for. */
bool verdict_is_left(enum commit_verdict v);

/* ---- history.c: the limits of the history, and its entries as people read them ---- */
#define HISTORY_AGE_MAX (30 * 86400)  /* seconds: the limits when nobody sets others */
#define HISTORY_SIZE_MAX (1ull << 30) /* bytes */
/* "30" or "30d": days; "12h": hours, "2w": weeks. -EINVAL. */
int history_parse_age(const char *text, uint64_t *ret_seconds);
/* "500M": of units k, M, G, T, that are each 1024 of the one before; "1000": bytes. -EINVAL. */
int history_parse_size(const char *text, uint64_t *ret_bytes);
/* 1 or more; 0: it is no number of an entry. */
unsigned history_parse_number(const char *text);
/* Those of the environment, else the above. */
struct history_limits history_limits_wanted(void);
/* Gives up what is beyond them; after each commit and undo. */
void history_trim(struct store *store);
/* "3 added, 1 modified", or "no changes" */
#define COUNTS_MAX 192
char *history_counts(const struct history_entry *e, char ret[static COUNTS_MAX]);
/* "3 changes" */
char *changes_text(size_t n, char ret[static 32]);
/* "A  /path", without a newline. */
void history_path_print(FILE *out, const struct history_path *p);
void history_path_json(FILE *out, const struct history_path *p); /* an object */

/* ---- diff.c, commit.c, summary.c: also used after a run ---- */
int diff_show(struct session *s, const struct paths *paths, unsigned flags, enum colour_when when, struct err *err);
/* The change at a path of the plan as it is, with what is below it if tree is set. */
int diff_show_path(struct commit_plan *plan, const char *at, bool tree, struct err *err);
int diff_show_paths(struct commit_plan *plan, const struct vpath *paths, size_t n, bool tree, struct err *err);
/* Commits all, or (pick) what is asked for one by one; of conflicts it asks. *ret_gone: the box went with it (session_drop_empty). False: nothing was
 * committed, by the user's answers. */
bool commit_after_run(struct session *s, bool pick, bool *ret_gone);
/* After a run: tells what changed, asks on a terminal. *ret_empty: nothing; *ret_gone: the box is no more. */
void summary_after_run(struct session *s, bool *ret_empty, bool *ret_gone);

#endif

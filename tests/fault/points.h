/* points.h - what the parts of fault_points share (points.c tells what it is).
 *
 *     point_run(x, action, mode, n)      does the action in a child in which the nth call goes wrong
 *     check_commit(), check_recovers()   what must hold then
 *     point_failed()                     tells that it does not, and how to have it again
 *
 * An action is a function; a new one needs that, and a phase that goes through its points.
 */
#ifndef COWBOX_TESTS_FAULT_POINTS_H
#define COWBOX_TESTS_FAULT_POINTS_H

#include "stage.h"

struct mode {
	const char *name;
	enum sys_fault_mode mode;
	int code;
	bool dies; /* dies: the process does not live on */
};
enum { NMODES = 7 };
extern const struct mode modes[NMODES];
const struct mode *mode_named(const char *name);
/* The options ask for it. */
bool mode_is_wanted(const struct mode *m);

/* What a child tells, as long as it lives. */
struct report {
	uint64_t calls;
	int r;
	bool done;       /* done: it says that all was done */
	bool unfinished; /* unfinished: it says that the next command will see to it */
	unsigned lost;   /* lost: of metadata, which it says too */
	size_t unforgotten;
	char text[1024];
};
extern struct report *report; /* shared with the children */

struct wish {
	const struct scene *scene;
	const char *phase, *mode;
	unsigned long step, inner, offset, at, then;
	bool full, whole, apart, plain, another, quota;
	uid_t uid;
};
extern struct wish wish;

extern struct site site;
extern unsigned failures, known; /* known: of what is known to go wrong, and is not counted as a failure */
extern unsigned long points;

/* ---- action.c ---- */

/* In a child: what it does, with that mode armed for its nth call; m NULL: only counted. */
typedef int (*action)(struct world *x, const struct mode *m, uint64_t n);
int do_commit(struct world *x, const struct mode *m, uint64_t n);
int do_recover(struct world *x, const struct mode *m, uint64_t n);
/* Of the last commit. */
int do_undo(struct world *x, const struct mode *m, uint64_t n);
/* Of discard_path; NULL: of the whole box. */
int do_discard(struct world *x, const struct mode *m, uint64_t n);
extern const char *discard_path;

/* Runs it in a child. False: there were fewer calls, and nothing went wrong. m NULL: nothing is to. */
bool point_run(struct world *x, action act, const struct mode *m, uint64_t n);

/* ---- check.c ---- */

/* The host before, and after a commit that nothing disturbs. */
struct seals {
	char *before, *after;
	uint64_t commit_calls;
};
extern bool loose;     /* loose: what EACCES allows, is allowed */
extern bool met_known; /* met_known: the last check ended at something that is known */

/* Tells it; false. */
bool bad(const char *what, const char *text);
/* The store opens, and what was interrupted is done with. */
bool check_recovers(struct world *x);
/* Commits what the box has left, all of which must go. */
bool check_commits_rest(struct world *x, bool *ret_changed);
bool check_is_after(struct world *x, const struct seals *s);
/* After any number of interrupted commits and recoveries. said: NULL when they did not live to say. */
bool check_commit(struct world *x, const struct seals *s, const struct report *said);

/* ---- points.c ---- */

void point_failed(const char *what, const struct mode *m, unsigned long n, unsigned long k);
unsigned long point_first(unsigned long step, unsigned long turn);

/* ---- undos.c ---- */

void phase_undo(struct world *x, const struct seals *s);
void phase_unrecover(struct world *x, const struct seals *s);

/* ---- meddle.c ---- */

void phase_meddle(struct world *x, bool undo);

/* ---- discards.c ---- */

void phase_discard(struct world *x);

#endif

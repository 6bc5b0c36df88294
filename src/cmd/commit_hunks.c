/* commit_hunks.c - some of the changes of a file: one question a hunk. */
#include "commit_ui.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "commit/hunks.h"

#define CONTEXT 3
#define BINARY_LOOK 8000
#define NONE ((size_t)-1)

static const struct key_help help[] = {
	{ 'y', "commit this hunk" },
	{ 'n', "leave it in the box" },
	{ 'a', "commit this and all that follow in this file" },
	{ 'd', "leave this and all that follow in this file" },
	{ 's', "split it into smaller hunks" },
	{ 'e', "edit it" },
	{ 'j', "leave it undecided, and see the next that is" },
	{ 'k', "leave it undecided, and see the one before that is" },
	{ 'q', "stop asking, and commit what was answered y (Ctrl-D too)" },
	{ '?', "this help" },
	{ KEY_INTERRUPT, "commit nothing" },
	{ 0 },
};

static const char edit_help[] = "# Lines that begin with a blank stay, those with - go, those with + are new.\n"
				"# Not to remove a line: make its - a blank. Not to add one: delete its line.\n"
				"# Lines that begin with # are left out.\n";

static bool looks_binary(int fd)
{
	char buf[BINARY_LOOK];
	ssize_t n = fd < 0 ? 0 : sys_pread_all(fd, buf, sizeof buf, 0);

	return n < 0 || memchr(buf, 0, (size_t)n);
}

bool hunks_possible(struct commit_plan *plan, size_t i)
{
	const struct commit_item *it = &plan->items[i];
	_cleanup_close_ int base = -1, box = -1, host = -1;

	if ((it->change->kind != CHANGE_MODIFIED && it->change->kind != CHANGE_ADDED) || it->verdict != COMMIT_APPLY ||
	    (it->keep & COMMIT_KEEP_CONTENT) || !S_ISREG(it->change->box.st_mode) || it->change->box.st_nlink > 1 ||
	    it->change->box.st_size > (off_t)MERGE_SIZE_MAX)
		return false;
	return commit_open_sides(plan, i, &base, &box, &host) == 0 && !looks_binary(box) && !looks_binary(host);
}

/* ---- editing ---- */

static int edit_once(struct hunks *h, size_t i, const char *path, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	int r = edit_file(path, err);

	if (r == 0)
		r = scratch_read(path, &text, &size, err);
	return r == 0 ? hunks_edit(h, i, text, size, err) : r;
}

/* The hunk in a file, with words of help. */
static int hunk_file(const struct hunks *h, size_t i, struct scratch *s, char path[static PATH_MAX], struct err *err)
{
	_cleanup_free_ char *hunk = NULL, *text = NULL;
	size_t size;
	int n, r = hunks_text(h, i, &hunk, &size);

	if (r < 0)
		return err_sys(err, r, "hunks");
	/* Text can have NUL bytes too, after its start: behind one nothing would be written. */
	if (strlen(hunk) != size)
		return err_set(err, -EOPNOTSUPP, "it has NUL bytes: it cannot be edited");
	n = asprintf(&text, "%s%s", hunk, edit_help);
	if (n < 0) {
		text = NULL;
		return err_sys(err, -ENOMEM, "hunks");
	}
	return scratch_write(s, "", "hunk.diff", text, (size_t)n, path, err);
}

/* What does not fit is told, and can be edited further. 1: taken; 0: left as it was; -EINTR. */
static int edit_hunk(struct hunks *h, size_t i)
{
	static const struct key_help again[] = { { 'y', "edit it again" }, { 'n', "leave the hunk as it was" }, { 0 } };
	_cleanup_scratch_ struct scratch s = { 0 };
	struct err err = { 0 };
	char path[PATH_MAX];
	int key, r = hunk_file(h, i, &s, path, &err);

	while (r == 0) {
		r = edit_once(h, i, path, &err);
		if (r != -EINVAL)
			break;
		log_say("%s", err.msg);
		key = term_choice("Edit it again? [y/n] ", "yn", again);
		if (key != 'y')
			return key == TERM_INTERRUPTED ? -EINTR : 0;
		r = 0;
	}
	if (r < 0 && r != -EINTR)
		log_say("%s", err.msg);
	return r == -EINTR || r == 1 ? r : 0;
}

/* ---- one question a hunk ---- */

static size_t undecided_after(const struct hunks *h, size_t i)
{
	for (i++; i < hunks_count(h); i++)
		if (hunks_state(h, i) == HUNK_UNDECIDED)
			return i;
	return NONE;
}

static size_t undecided_before(const struct hunks *h, size_t i)
{
	while (i-- > 0)
		if (hunks_state(h, i) == HUNK_UNDECIDED)
			return i;
	return NONE;
}

static void decide_rest(struct hunks *h, size_t i, enum hunk_state state)
{
	for (; i < hunks_count(h); i++)
		if (hunks_state(h, i) == HUNK_UNDECIDED)
			hunks_decide(h, i, state);
}

static void show_hunk(const struct hunks *h, size_t i)
{
	unsigned flags = DIFF_VISIBLE | (colour_wanted(COLOUR_AUTO, STDERR_FILENO) ? DIFF_COLOR : 0);
	_cleanup_free_ char *text = NULL;
	size_t size;

	if (hunks_text(h, i, &text, &size) == 0)
		diff_write_text(text, size, flags, stderr);
}

static int ask_hunk(const struct hunks *h, size_t i)
{
	char question[128], keys[16], list[40];
	size_t at = 0;

	snprintf(keys, sizeof keys, "ynad%s%s%seq?", hunks_can_split(h, i) ? "s" : "", undecided_after(h, i) != NONE ? "j" : "",
	         undecided_before(h, i) != NONE ? "k" : "");
	for (const char *k = keys; *k; k++)
		at += (size_t)snprintf(list + at, sizeof list - at, "%s%c", at ? "/" : "", *k);
	snprintf(question, sizeof question, "(%zu/%zu) this hunk?  [%s] ", i + 1, hunks_count(h), list);
	return term_choice(question, keys, help);
}

/* The next to ask about once i is decided: also what was passed over by j. */
static size_t next_hunk(const struct hunks *h, size_t i)
{
	size_t next = undecided_after(h, i);

	return next != NONE ? next : undecided_after(h, NONE);
}

/* Does what the key says about hunk *i, and moves on. */
static enum asked answer(struct hunks *h, size_t *i, int key)
{
	enum asked end = ASKED_ALL;
	size_t at = *i;

	switch (key) {
	case 'y':
	case 'n':
		hunks_decide(h, at, key == 'y' ? HUNK_CHOSEN : HUNK_LEFT);
		break;
	case 'a':
	case 'd':
		decide_rest(h, at, key == 'a' ? HUNK_CHOSEN : HUNK_LEFT);
		break;
	case 's':
		fprintf(stderr, "split into %d hunks\n", hunks_split(h, at));
		return ASKED_ALL;
	case 'e':
		if (edit_hunk(h, at) == -EINTR)
			return ASKED_INTERRUPTED;
		if (hunks_state(h, at) == HUNK_UNDECIDED)
			return ASKED_ALL;
		break;
	case 'j':
		*i = undecided_after(h, at);
		return ASKED_ALL;
	case 'k':
		*i = undecided_before(h, at);
		return ASKED_ALL;
	case TERM_INTERRUPTED:
		return ASKED_INTERRUPTED;
	default:
		decide_rest(h, 0, HUNK_LEFT);
		end = ASKED_QUIT;
	}
	*i = next_hunk(h, at);
	return end;
}

static enum asked ask_hunks(struct hunks *h)
{
	enum asked r = ASKED_ALL;
	size_t i = 0;

	while (r == ASKED_ALL && i != NONE) {
		size_t shown = i;

		show_hunk(h, i);
		r = answer(h, &i, ask_hunk(h, shown));
	}
	return r;
}

/* ---- one file ---- */

/* Mode, owner and capabilities: the box's are the host's, or were chosen, or are left. */
enum metadata { METADATA_SAME, METADATA_CHOSEN, METADATA_LEFT };

static bool is_text(const struct merge_side *s, const char *text, size_t size)
{
	return s->size == size && (size == 0 || memcmp(s->data, text, size) == 0);
}

/* All of it, nothing, or a part: what the text says. metadata: those of the box are taken too, where they differ. */
static int take_result(struct asking *a, size_t i, const struct sides *s, const struct hunks *h, enum metadata metadata, struct err *err)
{
	struct commit_item *it = &a->plan->items[i];
	_cleanup_free_ char *text = NULL;
	size_t size;
	bool nothing, all;
	int r = hunks_result(h, &text, &size);

	if (r < 0)
		return err_sys(err, r, "hunks");
	nothing = is_text(&s->host, text, size);
	all = is_text(&s->box, text, size);
	if (nothing && metadata != METADATA_CHOSEN)
		return 0;
	if (!all || metadata == METADATA_LEFT)
		r = commit_resolve(a->plan, i, RESOLVE_TEXT, text, size, true, err);
	if (r < 0)
		return r;
	if (metadata == METADATA_LEFT)
		it->keep |= COMMIT_KEEP_MODE | COMMIT_KEEP_OWNER | COMMIT_KEEP_XATTRS;
	it->chosen = true;
	a->taken++;
	return 0;
}

/* ---- what is no line of it ---- */

static const struct key_help metadata_help[] = {
	{ 'y', "commit this with what is chosen of the content" },
	{ 'n', "leave it in the box" },
	{ 'q', "stop asking, and commit what was answered y (Ctrl-D too)" },
	{ '?', "this help" },
	{ KEY_INTERRUPT, "commit nothing" },
	{ 0 },
};

static void mode_text(mode_t mode, char ret[static 48])
{
	snprintf(ret, 48, "%04o%s%s", mode & 07777, mode & S_ISUID ? " set-user-ID" : "", mode & S_ISGID ? " set-group-ID" : "");
}

/* "mode 0644 -> 0755, owner 0:0 -> 1:1", or nothing. */
static void metadata_text(const struct change *ch, char ret[static 256])
{
	const struct stat *was = &ch->host, *is = &ch->box;
	char old[48], new[48];
	int at = 0;

	ret[0] = '\0';
	if (ch->kind != CHANGE_MODIFIED)
		return;
	mode_text(was->st_mode, old);
	mode_text(is->st_mode, new);
	if ((was->st_mode ^ is->st_mode) & 07777)
		at += snprintf(ret + at, 256 - (size_t)at, "mode %s -> %s", old, new);
	if (was->st_uid != is->st_uid || was->st_gid != is->st_gid)
		at += snprintf(ret + at, 256 - (size_t)at, "%sowner %u:%u -> %u:%u", at ? ", " : "", was->st_uid, was->st_gid, is->st_uid, is->st_gid);
	if (ch->capabilities)
		snprintf(ret + at, 256 - (size_t)at, "%scapabilities", at ? ", " : "");
}

static enum asked ask_metadata(const struct asking *a, size_t i, enum metadata *ret)
{
	char text[256], question[320];
	int key;

	*ret = METADATA_SAME;
	metadata_text(a->plan->items[i].change, text);
	if (!*text)
		return ASKED_ALL;
	snprintf(question, sizeof question, "%s: this too?  [y/n/q/?] ", text);
	key = term_choice(question, "ynq?", metadata_help);
	*ret = key == 'y' ? METADATA_CHOSEN : METADATA_LEFT;
	return key == TERM_INTERRUPTED ? ASKED_INTERRUPTED : key == 'y' || key == 'n' ? ASKED_ALL : ASKED_QUIT;
}

static int open_hunks(struct asking *a, size_t i, struct sides *s, struct hunks **ret, struct err *err)
{
	int r = sides_read(a->plan, i, s, err);

	if (r == 0)
		r = sides_can_diff(&s->host, &s->box, err);
	if (r == 0)
		r = hunks_new(&s->host, &s->box, CONTEXT, ret, err);
	if (r == 0 && hunks_count(*ret) == 0)
		r = err_set(err, -ENODATA, "no lines differ");
	return r;
}

int choose_hunks(struct asking *a, size_t i, enum asked *ret)
{
	_cleanup_sides_ struct sides s = { 0 };
	_cleanup_hunks_ struct hunks *h = NULL;
	char text[4 * PATH_MAX];
	struct err err = { 0 };
	enum metadata metadata;
	enum asked asked;
	int r = open_hunks(a, i, &s, &h, &err);

	item_name(&a->plan->items[i], text);
	if (r < 0) {
		log_say("%s: not hunk by hunk: %s", text, err.msg);
		return r;
	}
	fprintf(stderr, "%s:\n", text);
	asked = ask_metadata(a, i, &metadata);
	if (asked == ASKED_ALL)
		asked = ask_hunks(h);
	else
		decide_rest(h, 0, HUNK_LEFT);
	if (asked != ASKED_INTERRUPTED)
		r = take_result(a, i, &s, h, metadata, &err);
	if (r < 0) {
		log_say("%s", err.msg);
		return r;
	}
	*ret = asked;
	return 0;
}

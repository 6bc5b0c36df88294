/* diff.c - cowbox diff: what the box changed, line by line. */
#include "cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static const struct option_row options[] = {
	{ 'b', "box", "BOX", NULL, "the box (else $COWBOX_BOX, else the one used last)" },
	{ OPT_STAT, "stat", NULL, NULL, "count the lines of each file instead" },
	{ OPT_COLOR, "color", "WHEN", "always", "auto (as without it), always or never" },
	{ 0 },
};

/* What commit would leave, and why: one line a change, or NULL; in the order of the plan's changes. */
struct notes {
	const struct changes *changes;
	char **text;
};

static void notes_release(struct notes *n)
{
	for (size_t i = 0; n->text && i < n->changes->count; i++)
		free(n->text[i]);
	free(n->text);
}

static int notes_make(struct notes *n, struct commit_plan *plan, struct err *err)
{
	*n = (struct notes){ .changes = &plan->changes, .text = calloc(plan->changes.count + 1, sizeof *n->text) };
	commit_choose(plan, (struct vpath){ "/" });
	commit_settle(plan);
	for (size_t i = 0; n->text && i < plan->count; i++) {
		const struct commit_item *it = &plan->items[i];
		char **text = &n->text[it->change - plan->changes.list];

		if (verdict_is_left(it->verdict) && asprintf(text, "%s: %s", verdict_label(it->verdict), it->why) < 0) {
			*text = NULL;
			return err_sys(err, -ENOMEM, "diff");
		}
	}
	return n->text ? 0 : err_sys(err, -ENOMEM, "diff");
}

static const char *note_of(void *ctx, const struct change *ch)
{
	const struct notes *n = ctx;

	return n->text[ch - n->changes->list];
}

static unsigned terminal_flags(enum colour_when when)
{
	unsigned flags = colour_wanted(when, STDOUT_FILENO) ? DIFF_COLOR : 0;

	/* In colour it is no patch anyway. */
	return isatty(STDOUT_FILENO) || flags ? flags | DIFF_VISIBLE : flags;
}

int diff_show_path(struct commit_plan *plan, const char *at, bool tree, struct err *err)
{
	return diff_show_paths(plan, &(struct vpath){ at }, 1, tree, err);
}

int diff_show_paths(struct commit_plan *plan, const struct vpath *paths, size_t n, bool tree, struct err *err)
{
	unsigned flags = terminal_flags(COLOUR_AUTO) | (tree ? 0 : DIFF_EXACT);
	struct pager pager;
	int r;

	pager_begin(&pager);
	r = diff_write(plan->ov, &plan->changes, paths, n, flags, pager.out, err);
	if (!pager_end(&pager))
		r = diff_write(plan->ov, &plan->changes, paths, n, flags, stdout, err);
	fflush(stdout);
	return r == -EPIPE || r > 0 ? 0 : r;
}

int diff_show(struct session *s, const struct paths *paths, unsigned flags, enum colour_when when, struct err *err)
{
	_cleanup_commit_plan_ struct commit_plan *plan = NULL;
	_cleanup_(notes_release) struct notes notes = { 0 };
	struct pager pager;
	int r = commit_plan_new(s->ov, &plan, err);

	if (r == 0)
		r = notes_make(&notes, plan, err);
	if (r < 0)
		return r;
	paths_tell_unchanged(paths, &plan->changes, s->box);
	flags |= terminal_flags(when);
	pager_begin(&pager);
	r = diff_write_noted(s->ov, &plan->changes, paths->list, paths->count, flags, note_of, &notes, pager.out, err);
	if (!pager_end(&pager))
		r = diff_write_noted(s->ov, &plan->changes, paths->list, paths->count, flags, note_of, &notes, stdout, err);
	/* Who quits the pager early has seen enough. */
	return r == -EPIPE || r > 0 ? 0 : r;
}

static int run_diff(const struct verb *v, int argc, char **argv)
{
	_cleanup_options_ struct options o = { 0 };
	_cleanup_session_ struct session s = { 0 };
	_cleanup_paths_ struct paths paths = { 0 };
	enum colour_when when = COLOUR_AUTO;
	const char *box = NULL;
	struct err err = { 0 };
	unsigned flags = 0;
	int id, r;

	if (options_init(&o, v, argc, argv) < 0)
		return CMD_FAILED;
	while ((id = options_next(&o)) > 0) {
		if (help_common(v, id))
			return CMD_OK;
		if (id == 'b')
			box = o.value;
		else if (id == OPT_STAT)
			flags |= DIFF_STAT;
		else if (id == OPT_COLOR && colour_parse(o.value, &when) < 0)
			return usage(v, "--color=%s: it is auto, always or never", o.value);
	}
	if (id < 0)
		return CMD_USAGE;
	r = session_open_paths(&s, box, &o, &paths, &err);
	if (r == 0)
		r = diff_show(&s, &paths, flags, when, &err);
	return r < 0 ? say_error(v->name, &err) : CMD_OK;
}

const struct verb verb_diff = {
	.name = "diff",
	.usage = "[-b BOX] [--stat] [--color[=WHEN]] [PATH...]",
	.summary = "show what the box changed, line by line",
	.details =
		"A unified diff that patch -p1 -d / and, in /, git apply take: a/ is the host, b/ the box. What a patch cannot "
		"hold stands in lines\n"
		"that begin with #: directories themselves, devices, FIFOs, sockets, owners, times, extended attributes, the "
		"content of binary\n"
		"files, and what cowbox commit would leave (a conflict) and why. On a terminal it goes through $PAGER (less -FRX "
		"when that is\n"
		"not set), is coloured unless NO_COLOR is set, and shows control characters as ^X.",
	.exits = "0 shown, whether there are changes or not (a PATH without any is named)\n2 wrong usage\n3 the box could not be "
		 "read",
	.options = options,
	.run = run_diff,
};

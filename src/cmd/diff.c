/* diff.c - cowbox diff: what the box changed, line by line. */
#include "cmd.h"

#include <errno.h>
#include <unistd.h>

static const struct option_row options[] = {
	{ 'b', "box", "BOX", NULL, "the box (else $COWBOX_BOX, else the one used last)" },
	{ OPT_STAT, "stat", NULL, NULL, "count the lines of each file instead" },
	{ OPT_COLOR, "color", "WHEN", "always", "auto (as without it), always or never" },
	{ 0 },
};

int diff_show(struct session *s, const struct paths *paths, unsigned flags, enum colour_when when, struct err *err)
{
	struct changes changes;
	struct pager pager;
	int r = changes_collect(s->ov, 0, &changes, err);

	if (r < 0)
		return r;
	paths_tell_unchanged(paths, &changes, s->box);
	if (colour_wanted(when, STDOUT_FILENO))
		flags |= DIFF_COLOR;
	pager_begin(&pager);
	r = diff_write(s->ov, &changes, paths->list, paths->count, flags, pager.out, err);
	if (!pager_end(&pager))
		r = diff_write(s->ov, &changes, paths->list, paths->count, flags, stdout, err);
	changes_release(&changes);
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
	.usage = "[-b BOX] [--stat] [PATH...]",
	.summary = "show what the box changed, line by line",
	.details = "A unified diff: a/ is the host, b/ the box; patch -p1 -d / reads it. Binary files are told of by their sizes, "
		   "modes and types\n"
		   "as git does. On a terminal it goes through $PAGER (less -FRX when that is not set) and is coloured unless "
		   "NO_COLOR is set.",
	.exits = "0 shown, whether there are changes or not (a PATH without any is named)\n2 wrong usage\n3 the box could not be "
	         "read",
	.options = options,
	.run = run_diff,
};

/* discard.c - cowbox discard: forget a box, or some of its changes. */
#include "cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct option_row options[] = {
	{ 'b', "box", "BOX", NULL, "the box (else $COWBOX_BOX, else the one used last)" },
	{ 'f', "force", NULL, NULL, "do not ask" },
	{ 0 },
};

#define DROP_LINES_MAX 20 /* of the list of what goes */

static int no_terminal(const struct verb *v)
{
	return usage(v, "there is no terminal to ask on: say -f to discard without asking");
}

/* The whole box, also one that is too damaged to be opened. */
static int discard_box(const struct verb *v, const char *box, bool force)
{
	_cleanup_store_ struct store *store = NULL;
	_cleanup_box_ struct box *b = NULL;
	char name[BOX_NAME_MAX + 1], question[BOX_NAME_MAX + 128];
	struct err err = { 0 };
	bool damaged;
	int r;

	r = session_store(&store, box, &err);
	if (r == 0)
		r = session_name(store, box, name, &err);
	if (r == 0)
		r = box_open(store, name, &b, &err);
	damaged = r == -EBADMSG;
	if (r < 0 && !damaged)
		return say_error(v->name, &err);
	if (!force && !term_is_interactive())
		return no_terminal(v);
	if (b)
		session_tell(store, b, box);
	if (damaged)
		log_say("%s", err.msg);
	if (!force) {
		snprintf(question, sizeof question, "discard box %s and all its changes? [y/N] ", name);
		if (term_ask(question, "yes no") != 'y') {
			log_say("box %s is kept", name);
			return CMD_LEFT;
		}
	}
	r = damaged ? box_remove_damaged(store, name, &err) : box_remove(store, b, &err);
	if (r < 0)
		return say_box_error(v->name, name, b, &err);
	log_say("discarded box %s", name);
	return CMD_OK;
}

/* Which of the changes go. */
struct drop {
	const struct changes *changes;
	bool *goes;
	size_t count;
	size_t *gone; /* gone: those that go, as they were found */
};

static void drop_release(struct drop *d)
{
	free(d->goes);
	free(d->gone);
}

/* It, and what is below, which comes directly after: the layer's tree at a path goes whole. */
static void drop_tree(struct drop *d, size_t i)
{
	const struct changes *c = d->changes;

	for (size_t k = i; k < c->count && path_below(c->list[k].path, c->list[i].path, NULL); k++)
		if (!d->goes[k]) {
			d->goes[k] = true;
			d->gone[d->count++] = k;
		}
}

static int by_path(const void *a, const void *b)
{
	return strcmp((*(struct change *const *)a)->path, (*(struct change *const *)b)->path);
}

/* What has the old name of a renamed directory that goes back there, unless it is a new directory, whose names can stay beside the host's. all: by path. */
static void drop_in_the_way(struct drop *d, const struct change *back, const struct change **all)
{
	const struct change there = { .path = back->from }, *key = &there, **found;

	if (!back->from || !S_ISDIR(back->box.st_mode))
		return;
	found = bsearch(&key, all, d->changes->count, sizeof *all, by_path);
	if (found && ((*found)->kind == CHANGE_RENAMED || !S_ISDIR((*found)->box.st_mode)))
		drop_tree(d, (size_t)(*found - d->changes->list));
}

/* The changes at the paths, what is below them, and what is in the way of what goes back. */
static int drop_choose(struct drop *d, const struct changes *c, const struct paths *paths)
{
	_cleanup_free_ const struct change **all = calloc(c->count + 1, sizeof *all);

	*d = (struct drop){ .changes = c, .goes = calloc(c->count + 1, sizeof *d->goes), .gone = calloc(c->count + 1, sizeof *d->gone) };
	if (!d->goes || !d->gone || !all)
		return -ENOMEM;
	for (size_t i = 0; i < c->count; i++) {
		all[i] = &c->list[i];
		if (paths_match(paths, &c->list[i]))
			drop_tree(d, i);
	}
	qsort(all, c->count, sizeof *all, by_path);
	for (size_t n = 0; n < d->count; n++)
		drop_in_the_way(d, &c->list[d->gone[n]], all);
	return 0;
}

/* Each of them, but of a new directory only how much is in it. */
static void drop_print(const struct drop *d)
{
	const struct changes *c = d->changes;
	size_t lines = 0, told = 0;

	for (size_t i = 0, end; i < c->count; i = end) {
		const struct change *ch = &c->list[i];

		end = i + 1;
		if (!d->goes[i])
			continue;
		if (lines++ == DROP_LINES_MAX)
			break;
		fprintf(stderr, "  %c  ", (char)ch->kind);
		change_print(stderr, ch);
		while (ch->kind == CHANGE_ADDED && end < c->count && c->list[end].kind == CHANGE_ADDED &&
		       path_below(c->list[end].path, ch->path, NULL))
			end++;
		if (end > i + 1)
			fprintf(stderr, " (with %zu inside)", end - i - 1);
		fputc('\n', stderr);
		told += end - i;
	}
	if (told < d->count)
		fprintf(stderr, "  and %zu more\n", d->count - told);
}

/* The host's comes back at the old place of a rename; beside what else the box put there, if that is a directory, else that stays before it. */
static int forget_source(struct session *s, const struct drop *d, const char *from)
{
	const struct changes *c = d->changes;
	char view[PATH_MAX];
	int r = overlay_view_of_name(s->ov, from, view);

	if (r < 0)
		return r;
	for (size_t i = 0; i < c->count; i++)
		if (!d->goes[i] && strcmp(c->list[i].path, view) == 0)
			return S_ISDIR(c->list[i].box.st_mode) ? overlay_settle(s->ov, (struct vpath){ view }) : 0;
	r = overlay_forget(s->ov, (struct vpath){ view });
	/* Something else is in place of a directory above it. */
	return r == -ELOOP || r == -ENOTDIR ? 0 : r;
}

/* Where the directory that it is in hides what the host has there, it must be told apart from the rest of that first. done: the last directory. */
static int make_separate(struct session *s, const char *path, char done[static PATH_MAX])
{
	char dir[PATH_MAX];

	if (!path_split(path, dir, sizeof dir))
		return -ENAMETOOLONG;
	if (strcmp(dir, done) == 0)
		return 0;
	strcpy(done, dir);
	return overlay_expose(s->ov, (struct vpath){ dir });
}

/* Takes them out of the layer, those of a directory with it. What came from elsewhere is given back there. */
static int drop_apply(const struct drop *d, struct session *s, struct err *err)
{
	const struct changes *c = d->changes;
	const char *last = NULL;
	char text[4 * PATH_MAX], separate[PATH_MAX] = "";

	for (size_t i = 0; i < c->count; i++) {
		const struct change *ch = &c->list[i];
		bool inside = last && path_below(ch->path, last, NULL);
		int r = 0;

		if (!d->goes[i])
			continue;
		if (!inside)
			r = make_separate(s, ch->path, separate);
		/* The old name first: who is killed in between must not leave a removal that nobody asked for. */
		if (r == 0 && ch->from)
			r = forget_source(s, d, ch->from);
		if (!inside && (r == 0 || r == -ENOENT))
			r = overlay_forget(s->ov, (struct vpath){ ch->path });
		if (r < 0 && r != -ENOENT)
			return err_sys(err, r, "%s", path_printable(ch->path, text, sizeof text));
		if (!inside)
			last = ch->path;
	}
	return 0;
}

/* With a renamed directory its marks go back, those of what was moved out of it before too: what stays elsewhere must not show here again. */
static int cover_sources(const struct drop *d, struct session *s, struct err *err)
{
	const struct changes *c = d->changes;
	char text[4 * PATH_MAX], view[PATH_MAX];
	bool renames = false;

	for (size_t i = 0; i < c->count; i++)
		renames |= d->goes[i] && c->list[i].from;
	for (size_t i = 0; renames && i < c->count; i++) {
		const char *from = c->list[i].from;
		int r = 0;

		if (d->goes[i] || !from)
			continue;
		r = overlay_view_of_name(s->ov, from, view);
		if (r == 0)
			r = overlay_cover(s->ov, (struct vpath){ view });
		if (r < 0)
			return err_sys(err, r, "%s", path_printable(from, text, sizeof text));
	}
	return 0;
}

/* What could not be taken out alone: a removal below a directory that replaced the host's has no mark of its own in the layer. */
static int tell_rest(const struct verb *v, struct session *s, const struct drop *d)
{
	const char **gone = calloc(d->count + 1, sizeof *gone);
	char text[4 * PATH_MAX];
	struct changes c;
	struct err err = { 0 };
	size_t n = 0, rest = 0;
	int r = gone ? changes_collect(s->ov, 0, &c, &err) : err_sys(&err, -ENOMEM, "discard");

	if (r < 0) {
		free(gone);
		return say_error(v->name, &err);
	}
	/* It can be tried again by any other discard, and none of it is a change. */
	(void)overlay_forget_idle(s->ov, &c);
	for (size_t i = 0; i < d->changes->count; i++)
		if (d->goes[i])
			gone[n++] = d->changes->list[i].path;
	qsort(gone, n, sizeof *gone, strv_cmp);
	for (size_t i = 0; i < c.count; i++) {
		if (!bsearch(&c.list[i].path, gone, n, sizeof *gone, strv_cmp))
			continue;
		rest++;
		log_say("left: %s: it goes only with the directory it is in", path_printable(c.list[i].path, text, sizeof text));
	}
	free(gone);
	changes_release(&c);
	n -= rest;
	log_say("discarded %zu change%s of box %s", n, n == 1 ? "" : "s", s->box->name);
	return rest ? CMD_LEFT : CMD_OK;
}

static int discard_changes(const struct verb *v, struct session *s, const struct drop *d, bool force)
{
	char question[128];
	struct err err = { 0 };

	log_say("what goes from box %s:", s->box->name);
	drop_print(d);
	snprintf(question, sizeof question, "discard %zu change%s? [y/N] ", d->count, d->count == 1 ? "" : "s");
	if (!force && term_ask(question, "yes no") != 'y') {
		log_say("box %s is kept as it is", s->box->name);
		return CMD_LEFT;
	}
	if (drop_apply(d, s, &err) < 0 || cover_sources(d, s, &err) < 0)
		return say_error(v->name, &err);
	return tell_rest(v, s, d);
}

static int discard_some(const struct verb *v, struct session *s, const struct paths *paths, bool force)
{
	struct drop d = { 0 };
	struct changes c;
	struct err err = { 0 };
	int status, r;

	if (changes_collect(s->ov, 0, &c, &err) < 0)
		return say_error(v->name, &err);
	status = paths_tell_unchanged(paths, &c, s->box) ? CMD_LEFT : CMD_OK;
	r = drop_choose(&d, &c, paths);
	if (r < 0)
		r = say_error(v->name, &(struct err){ .code = r, .msg = "out of memory" });
	else
		r = d.count ? discard_changes(v, s, &d, force) : CMD_LEFT;
	drop_release(&d);
	changes_release(&c);
	return r == CMD_OK ? status : r;
}

static int discard_paths(const struct verb *v, const struct options *o, const char *box, bool force)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_paths_ struct paths paths = { 0 };
	_cleanup_close_ int hold = -1;
	struct err err = { 0 };
	int r;

	r = session_open_paths(&s, box, o, &paths, &err);
	if (r == 0 && !force && !term_is_interactive())
		return no_terminal(v);
	if (r == 0)
		r = hold = commit_hold(s.box, &err);
	if (r < 0)
		return s.box ? say_box_error(v->name, s.box->name, s.box, &err) : say_error(v->name, &err);
	r = discard_some(v, &s, &paths, force);
	fd_closep(&hold);
	session_drop_empty(&s);
	return r;
}

static int run_discard(const struct verb *v, int argc, char **argv)
{
	_cleanup_options_ struct options o = { 0 };
	const char *box = NULL;
	bool force = false;
	int id;

	if (options_init(&o, v, argc, argv) < 0)
		return CMD_FAILED;
	while ((id = options_next(&o)) > 0) {
		if (help_common(v, id))
			return CMD_OK;
		if (id == 'b')
			box = o.value;
		else if (id == 'f')
			force = true;
	}
	if (id < 0)
		return CMD_USAGE;
	return o.nargs ? discard_paths(v, &o, box, force) : discard_box(v, box, force);
}

const struct verb verb_discard = {
	.name = "discard",
	.usage = "[-b BOX] [-f] [PATH...]",
	.summary = "forget the box, or some of its changes",
	.details = "Without PATHs the whole box is removed; with them, the changes at or below them. Asks first, unless -f is "
		   "given.\n"
		   "What goes is listed: where a renamed directory goes back, the changes in it and what has its old name now "
		   "go with it; what is in a new directory of that name stays.\n"
		   "The host is never touched, and what was committed from the box stays in the history (cowbox log).",
	.exits = "0 discarded\n1 kept (the answer was no, or nothing changed at a PATH)\n2 wrong usage, or no terminal to ask on "
		 "and no -f\n"
		 "3 it failed (the box runs, is not there, cannot be removed)",
	.options = options,
	.run = run_discard,
};

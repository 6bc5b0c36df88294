/* discard.c - cowbox discard: forget a box, or some of its changes. */
#include "cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commit/commit.h"

static const struct option_row options[] = {
	{ 'b', "box", "BOX", NULL, "the box (else $COWBOX_BOX, else the one used last)" },
	{ 'f', "force", NULL, NULL, "do not ask" },
	{ 0 },
};

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
		return say_error(v->name, &err);
	log_say("discarded box %s", name);
	return CMD_OK;
}

static size_t count_matches(const struct changes *c, struct vpath path)
{
	struct paths one = { .list = &path, .count = 1 };
	size_t n = 0;

	for (size_t i = 0; i < c->count; i++)
		n += paths_match(&one, &c->list[i]);
	return n;
}

/* The old place of a rename, unless another change of the box stands there. */
static int forget_source(struct session *s, const struct changes *c, const char *from)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->list[i].path, from) == 0)
			return 0;
	return overlay_forget(s->ov, (struct vpath){ from });
}

/* Takes the changes at or below the paths out of the layer, those of a directory with it. */
static int forget_matches(struct session *s, const struct changes *c, const struct paths *paths, struct err *err)
{
	const char *last = NULL;
	char text[4 * PATH_MAX];

	for (size_t i = 0; i < c->count; i++) {
		const struct change *ch = &c->list[i];
		int r = 0;

		if (!paths_match(paths, ch))
			continue;
		if (!last || !path_below(ch->path, last, NULL)) {
			r = overlay_forget(s->ov, (struct vpath){ ch->path });
			last = ch->path;
		}
		if (r == 0 && ch->from)
			r = forget_source(s, c, ch->from);
		if (r < 0 && r != -ENOENT)
			return err_sys(err, r, "%s", path_printable(ch->path, text, sizeof text));
	}
	return 0;
}

/* What could not be taken out alone: a removal below a directory that replaced the host's has no mark of its own in the layer. */
static int tell_rest(const struct verb *v, struct session *s, const struct paths *paths, size_t before)
{
	char text[4 * PATH_MAX];
	struct changes c;
	struct err err = { 0 };
	size_t rest = 0;

	if (changes_collect(s->ov, 0, &c, &err) < 0)
		return say_error(v->name, &err);
	for (size_t i = 0; i < c.count; i++) {
		if (!paths_match(paths, &c.list[i]))
			continue;
		rest++;
		log_say("left: %s: it goes only with the directory it is in", path_printable(c.list[i].path, text, sizeof text));
	}
	changes_release(&c);
	log_say("discarded %zu change%s of box %s", before > rest ? before - rest : 0, before - rest == 1 ? "" : "s", s->box->name);
	return rest ? CMD_LEFT : CMD_OK;
}

static int discard_some(const struct verb *v, struct session *s, const struct paths *paths, bool force)
{
	char text[4 * PATH_MAX], question[128];
	struct changes c;
	struct err err = { 0 };
	size_t total = 0;
	int status = CMD_OK, r;

	if (changes_collect(s->ov, 0, &c, &err) < 0)
		return say_error(v->name, &err);
	for (size_t k = 0; k < paths->count; k++) {
		size_t n = count_matches(&c, paths->list[k]);

		if (n == 0) {
			log_say("discard: nothing changed at %s", path_printable(paths->list[k].s, text, sizeof text));
			status = CMD_LEFT;
		}
		total += n;
	}
	snprintf(question, sizeof question, "discard %zu change%s? [y/N] ", total, total == 1 ? "" : "s");
	if (total == 0 || (!force && term_ask(question, "yes no") != 'y')) {
		changes_release(&c);
		return CMD_LEFT;
	}
	r = forget_matches(s, &c, paths, &err);
	changes_release(&c);
	if (r < 0)
		return say_error(v->name, &err);
	r = tell_rest(v, s, paths, total);
	return r == CMD_OK ? status : r;
}

static int discard_paths(const struct verb *v, const struct options *o, const char *box, bool force)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_paths_ struct paths paths = { 0 };
	_cleanup_close_ int hold = -1;
	struct err err = { 0 };
	int r;

	r = session_open(&s, box, &err);
	if (r == 0 && !force && !term_is_interactive())
		return no_terminal(v);
	if (r == 0)
		r = paths_read(s.ov, o->args, o->nargs, &paths, &err);
	if (r == 0)
		r = hold = commit_hold(s.box, &err);
	return r < 0 ? say_error(v->name, &err) : discard_some(v, &s, &paths, force);
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
	.details =
		"Without PATHs the whole box is removed; with them, the changes at or below them. Asks first, unless -f is given.\n"
		"The host is never touched.",
	.exits = "0 discarded\n1 kept (the answer was no, or nothing changed at a PATH)\n2 wrong usage, or no terminal to ask on "
	         "and no -f\n"
		 "3 it failed (the box runs, is not there, cannot be removed)",
	.options = options,
	.run = run_discard,
};

/* session.c - the box a verb works on, and the paths it was given. */
#include "cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int session_store(struct store **ret, const char *name, struct err *err)
{
	const char *env = getenv("COWBOX_BOX");
	int r;

	if (!name && env && *env)
		name = env;
	r = name ? box_name_check(name, err) : 0;
	if (r == 0)
		r = store_open(false, ret, err);
	if (r == -ENOENT && name)
		return err_set(err, r, "there is no box %s, nor any other yet (cowbox run -b %s makes it)", name, name);
	return r;
}

int session_name(struct store *store, const char *name, char ret[static BOX_NAME_MAX + 1], struct err *err)
{
	const char *env = getenv("COWBOX_BOX");
	int r;

	if (!name && env && *env)
		name = env;
	if (!name)
		return store_last(store, ret, err);
	r = box_name_check(name, err);
	if (r == 0)
		strcpy(ret, name);
	return r;
}

int session_open(struct session *s, const char *name, struct err *err)
{
	char found[BOX_NAME_MAX + 1];
	int r;

	r = session_store(&s->store, name, err);
	if (r == 0)
		r = session_name(s->store, name, found, err);
	if (r == 0)
		r = box_open(s->store, found, &s->box, err);
	if (r == 0)
		r = overlay_new(s->box, &s->ov, err);
	if (r == 0)
		store_set_last(s->store, found, NULL);
	return r;
}

void session_close(struct session *s)
{
	overlay_freep(&s->ov);
	box_freep(&s->box);
	store_freep(&s->store);
}

int say_error(const char *verb, const struct err *err)
{
	log_say("%s: %s", verb, err->msg);
	return err->code == -EINVAL ? CMD_USAGE : CMD_FAILED;
}

/* The view's own name for what a person typed: symlinks on the way are followed in the view, the last component is meant itself. */
static int canonical(struct overlay *ov, const char *typed, char ret[static PATH_MAX])
{
	struct caller caller = { .umask = 022 };
	_cleanup_object_ struct object o;
	char dir[PATH_MAX], cwd[PATH_MAX];
	const char *name;
	int r;

	object_init(&o);
	if (!getcwd(cwd, sizeof cwd))
		return -errno;
	r = path_normalize(typed, cwd, ret, PATH_MAX);
	if (r < 0)
		return r;
	name = path_split(ret, dir, sizeof dir);
	if (name && *name && overlay_lookup(ov, &caller, AT_VIEW(dir), LOOKUP_DIRECTORY, &o) == 0 && o.view[0])
		r = path_join(ret, PATH_MAX, o.view, name);
	return r < 0 ? r : 0;
}

static int paths_read(struct overlay *ov, const char *const *args, size_t nargs, struct paths *ret, struct err *err)
{
	ret->list = calloc(nargs + 1, sizeof *ret->list);
	if (!ret->list)
		return err_sys(err, -ENOMEM, "paths");
	for (size_t i = 0; i < nargs; i++) {
		char path[PATH_MAX], text[PATH_MAX];
		int r = canonical(ov, args[i], path);

		if (r < 0)
			return err_sys(err, r, "%s", *args[i] ? path_printable(args[i], text, sizeof text) : "an empty path");
		ret->list[i].s = strdup(path);
		if (!ret->list[i].s)
			return err_sys(err, -ENOMEM, "paths");
		ret->count++;
	}
	return 0;
}

int session_open_paths(struct session *s, const char *name, const struct options *o, struct paths *ret, struct err *err)
{
	int r = session_open(s, name, err);

	return r < 0 ? r : paths_read(s->ov, o->args, o->nargs, ret, err);
}

void paths_release(struct paths *p)
{
	for (size_t i = 0; i < p->count; i++)
		free((char *)p->list[i].s);
	free(p->list);
	*p = (struct paths){ 0 };
}

bool paths_match(const struct paths *p, const struct change *ch)
{
	for (size_t i = 0; i < p->count; i++)
		if (path_below(ch->path, p->list[i].s, NULL) || (ch->from && path_below(ch->from, p->list[i].s, NULL)))
			return true;
	return p->count == 0;
}

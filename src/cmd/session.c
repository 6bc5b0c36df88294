/* session.c - the box a verb works on, and the paths it was given. */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/sys.h"

#define COMMAND_SHOWN 40 /* columns of a command that tell boxes apart */

static int no_boxes(struct err *err)
{
	return err_set(err, -ENOENT, "there are no boxes: cowbox run makes one");
}

static bool is_empty(struct store *store)
{
	_cleanup_strv_ char **names = NULL;

	return store_list(store, &names, NULL) == 0 && !names[0];
}

static int no_such_box(const char *name, struct err *err)
{
	return err_set(err, -ENOENT, "there is no box %s, nor any other (cowbox run -b %s makes it)", name, name);
}

static void tell_note(void *ctx, const char *text)
{
	(void)ctx;
	log_warn("%s", text);
}

int session_recover(struct store *store, struct err *err)
{
	struct err said = { 0 };
	int r = commit_recover(store, tell_note, NULL, &said);

	if (r > 0)
		log_say("%s", said.msg);
	if (r < 0 && err)
		*err = said;
	return r < 0 ? r : 0;
}

int session_store(struct store **ret, const char *name, struct err *err)
{
	const char *env = getenv("COWBOX_BOX");
	int r;

	if (!name && env && *env)
		name = env;
	r = name ? box_name_check(name, err) : 0;
	if (r == 0)
		r = store_open(false, ret, err);
	if (r == 0)
		r = session_recover(*ret, err);
	if (r == -ENOENT && name)
		return no_such_box(name, err);
	return r == -ENOENT ? no_boxes(err) : r;
}

void session_last(struct store *store, char ret[static BOX_NAME_MAX + 1])
{
	_cleanup_close_ int fd = openat(store->fd, "last", O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	char text[BOX_NAME_MAX + 2];
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	strcpy(ret, box_name_check(text, NULL) == 0 ? text : "");
}

void session_restore_last(struct store *store, const char *name, const char *last)
{
	char now[BOX_NAME_MAX + 1];

	session_last(store, now);
	if (strcmp(now, name) != 0)
		return;
	if (*last)
		store_set_last(store, last, NULL);
	else
		unlinkat(store->fd, "last", 0);
}

int session_name(struct store *store, const char *name, char ret[static BOX_NAME_MAX + 1], struct err *err)
{
	const char *env = getenv("COWBOX_BOX");
	char last[BOX_NAME_MAX + 1];
	int r;

	if (!name && env && *env)
		name = env;
	if (!name) {
		r = store_last(store, ret, err);
		if (r != -ENOENT || !is_empty(store))
			return r;
		/* cowbox list would show none: one that was used last and is gone is named all the same. */
		session_last(store, last);
		return *last ? err_set(err, r, "the box used last, %s, is gone, and there is no other: cowbox run makes one", last)
		             : no_boxes(err);
	}
	r = box_name_check(name, err);
	if (r == 0 && is_empty(store))
		return no_such_box(name, err);
	if (r == 0)
		strcpy(ret, name);
	return r;
}

static bool is_only_box(struct store *store)
{
	_cleanup_strv_ char **names = NULL;

	return store_list(store, &names, NULL) == 0 && names[0] && !names[1];
}

void session_tell(struct store *store, const struct box *box, const char *name)
{
	const char *env = getenv("COWBOX_BOX");
	char command[4 * COMMAND_SHOWN], age[32];

	if (name || (env && *env) || is_only_box(store))
		return;
	text_printable(box->command ? box->command : "", command, sizeof command);
	text_cut(command, COMMAND_SHOWN);
	log_say("box %s, the one used last (made %s ago: %s)", box->name, age_text((int64_t)time(NULL) - box->created, age),
	        command);
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
	if (r < 0)
		return r;
	session_tell(s->store, s->box, name);
	if (!s->only_looks)
		store_set_last(s->store, found, NULL);
	return 0;
}

static bool all_digits(const char *s)
{
	return *s && !s[strspn(s, "0123456789")];
}

/* True when the name is one that store_fresh_name gave: it ends in the time at which the box was made. */
static bool named_by_us(const struct box *b)
{
	/* The name was found before the box was made: perhaps in another minute. */
	for (int before = 0; before <= 60; before += 60) {
		time_t made = (time_t)b->created - before;
		char when[16];
		const char *end;
		struct tm tm;

		if (!localtime_r(&made, &tm) || !strftime(when, sizeof when, "-%m%d-%H%M", &tm))
			return false;
		end = strstr(b->name, when);
		if (!end || end == b->name)
			continue;
		end += strlen(when);
		if (!*end || (*end == '-' && all_digits(end + 1)))
			return true;
	}
	return false;
}

bool session_drop_empty(struct session *s)
{
	struct changes changes;
	struct err err = { 0 };
	bool empty;

	if (!named_by_us(s->box) || changes_collect(s->ov, CHANGES_NO_CONTENT, &changes, NULL) < 0)
		return false;
	empty = changes.count == 0;
	changes_release(&changes);
	if (!empty || box_is_running(s->box) != 0)
		return false;
	overlay_freep(&s->ov);
	if (box_remove(s->store, s->box, &err) < 0) {
		log_warn("%s", err.msg);
		return false;
	}
	log_say("box %s has no changes left: removed", s->box->name);
	return true;
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

/* A line of /proc/locks: "1: FLOCK  ADVISORY  WRITE 123 fe:00:456 0 EOF"; one that waits has "->" after the number. The pid; 0: another's. */
static int lock_holder(const char *line, const struct stat *st)
{
	unsigned major_of, minor_of;
	unsigned long long ino;
	int pid;

	if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%llu", &pid, &major_of, &minor_of, &ino) != 4)
		return 0;
	return ino == st->st_ino && major_of == major(st->st_dev) && minor_of == minor(st->st_dev) ? pid : 0;
}

const char *session_users(const struct box *box, char ret[static USERS_MAX])
{
	char line[256], pids[USERS_MAX - 16] = "";
	FILE *locks = box ? fopen("/proc/locks", "re") : NULL;
	size_t n = 0, at = 0;
	struct stat st;

	ret[0] = '\0';
	if (locks && fstatat(box->fd, "running", &st, AT_SYMLINK_NOFOLLOW) == 0) {
		while (fgets(line, sizeof line, locks) && at + 16 < sizeof pids) {
			int pid = lock_holder(line, &st);

			/* Who took it may have left it to another: then it tells nothing. */
			if (pid > 0 && pid != getpid() && (kill(pid, 0) == 0 || errno == EPERM))
				at += (size_t)snprintf(pids + at, sizeof pids - at, "%s%d", n++ ? ", " : "", pid);
		}
	}
	if (locks)
		fclose(locks);
	if (n)
		snprintf(ret, USERS_MAX, " (pid%s %s)", n == 1 ? "" : "s", pids);
	return ret;
}

int say_box_error(const char *verb, const char *name, const struct box *box, const struct err *err)
{
	char users[USERS_MAX];

	if (err->code != -EBUSY)
		return say_error(verb, err);
	log_say("%s: box %s is in use by another cowbox%s: wait until that has ended", verb, name, session_users(box, users));
	return CMD_FAILED;
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
	if (*typed == '/')
		strcpy(cwd, "/");
	else if (!getcwd(cwd, sizeof cwd))
		return errno == ENOENT ? -ENOTDIR : -errno;
	r = path_normalize(typed, cwd, ret, PATH_MAX);
	if (r < 0)
		return r;
	name = path_split(ret, dir, sizeof dir);
	if (name && *name && overlay_lookup(ov, &caller, AT_VIEW(dir), LOOKUP_DIRECTORY, &o) == 0 && o.view[0])
		r = path_join(ret, PATH_MAX, o.view, name);
	return r < 0 ? r : 0;
}

void session_tell_cwd(struct session *s)
{
	struct caller caller = { .umask = 022 };
	_cleanup_object_ struct object o;
	char cwd[PATH_MAX], text[4 * PATH_MAX];
	int r;

	object_init(&o);
	if (!getcwd(cwd, sizeof cwd)) {
		log_warn("the working directory is gone: the command starts where nothing is");
		return;
	}
	r = overlay_lookup(s->ov, &caller, AT_VIEW(cwd), LOOKUP_DIRECTORY, &o);
	if (r == -ENOENT || r == -ENOTDIR)
		log_warn("the working directory %s is gone in box %s: the command starts where nothing is",
		         path_printable(cwd, text, sizeof text), s->box->name);
}

static int paths_read(struct overlay *ov, const char *const *args, size_t nargs, struct paths *ret, struct err *err)
{
	ret->list = calloc(nargs + 1, sizeof *ret->list);
	if (!ret->list)
		return err_sys(err, -ENOMEM, "paths");
	for (size_t i = 0; i < nargs; i++) {
		char path[PATH_MAX], text[PATH_MAX];
		int r = canonical(ov, args[i], path);

		if (r == -ENOTDIR)
			return err_set(err, r, "%s: the working directory is gone: give an absolute path",
			               path_printable(args[i], text, sizeof text));
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

bool paths_hold(const struct paths *p, const char *path)
{
	for (size_t i = 0; i < p->count; i++)
		if (path_below(path, p->list[i].s, NULL))
			return true;
	return p->count == 0;
}

bool paths_match(const struct paths *p, const struct change *ch)
{
	return paths_hold(p, ch->path) || (ch->from && paths_hold(p, ch->from));
}

size_t paths_tell_unchanged(const struct paths *p, const struct changes *c, const struct box *box)
{
	char text[4 * PATH_MAX];
	size_t unchanged = 0;

	for (size_t k = 0; k < p->count; k++) {
		struct paths one = { .list = &p->list[k], .count = 1 };
		size_t i = 0;

		while (i < c->count && !paths_match(&one, &c->list[i]))
			i++;
		if (i < c->count)
			continue;
		unchanged++;
		log_say("%s: no changes in box %s", path_printable(p->list[k].s, text, sizeof text), box->name);
	}
	return unchanged;
}

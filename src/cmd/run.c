/* run.c - cowbox run: a command in a box. */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "inside.h"
#include "trace/run.h"

static const struct option_row options[] = {
	{ 'b', "box", "BOX", NULL, "the box, made when it is new (else $COWBOX_BOX, else a new one)" },
	{ OPT_RM, "rm", NULL, NULL, "make a new box, and remove it at the end, whatever it changed" },
	{ OPT_KEEP_ORIGINALS, "keep-originals", "SIZE", NULL, "keep what host files had, for merging, up to this size each (8M)" },
	{ OPT_INHERIT_FD, "inherit-fd", "N", NULL, "let the command keep descriptor N; can be repeated" },
	{ OPT_ALLOW_SOCKET, "allow-socket", "PATH", NULL, "let it connect to this socket of the host; can be repeated" },
	{ 0 },
};

#define REFUSALS_MAX 10 /* lines about what was refused */

struct wish {
	const char *box;
	bool remove, limited; /* limited: base_limit is given */
	uint64_t base_limit;
	int *inherit;
	size_t ninherit;
	char **sockets; /* sockets: NULL-terminated; the strings are argv's */
	size_t nsockets;
};

static void wish_release(struct wish *w)
{
	free(w->inherit);
	free(w->sockets);
}

/* ---- what the guest is given ---- */

static void strings_free(char ***v)
{
	for (char **p = *v; p && *p; p++)
		free(*p);
	free(*v);
}

/* Our environment with COWBOX=1 and COWBOX_BOX, and PS1 where a badge is shown by it. */
static char **guest_environment(const char *name, const char *prompt)
{
	size_t n = 0, at = 0;
	char **env;

	while (environ[n])
		n++;
	env = calloc(n + 4, sizeof *env);
	if (!env)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], "COWBOX=", 7) != 0 && strncmp(environ[i], "COWBOX_BOX=", 11) != 0 &&
		    !(prompt && strncmp(environ[i], "PS1=", 4) == 0) && (env[at] = strdup(environ[i])))
			at++;
	env[at] = strdup("COWBOX=1");
	if (env[at])
		at++;
	if (asprintf(&env[at], "COWBOX_BOX=%s", name) < 0)
		env[at] = NULL;
	else
		at++;
	if (prompt && asprintf(&env[at], "PS1=%s", prompt) < 0)
		env[at] = NULL;
	return env;
}

/* The user's own start file, and then the badge. The history is read but not written: it would be a change in every box, and would stand against the
 * history that other shells write meanwhile. */
static int badge_file(const char *name)
{
	int fd = memfd_create("cowbox-bashrc", 0);

	if (fd >= 0)
		dprintf(fd,
		        "[ -r ~/.bashrc ] && . ~/.bashrc\nPS1='[cowbox %s] '\"${PS1-\\$ }\"\n"
		        "[ -r \"${HISTFILE-}\" ] && history -r\nunset HISTFILE\n",
		        name);
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

/* A command to run: what was asked for, or a shell. */
struct command {
	char *const *argv;
	char *shell_argv[5];
	char prompt[BOX_NAME_MAX + 32];
	char rcfile[32];
};

static int prepare_shell(struct command *c, struct wish *w, const char *name)
{
	const char *shell = getenv("SHELL"), *base;
	int fd = -1;

	if (!shell || !*shell)
		shell = "/bin/sh";
	base = strrchr(shell, '/') ? strrchr(shell, '/') + 1 : shell;
	c->shell_argv[0] = (char *)shell;
	c->argv = c->shell_argv;
	/* It reads a script: nobody looks at its prompt. */
	if (!isatty(STDIN_FILENO))
		return 0;
	if (strcmp(base, "bash") == 0 && (fd = badge_file(name)) >= 0) {
		int *all = reallocarray(w->inherit, w->ninherit + 1, sizeof *all);

		if (!all)
			return -ENOMEM;
		w->inherit = all;
		w->inherit[w->ninherit++] = fd;
		snprintf(c->rcfile, sizeof c->rcfile, "/proc/self/fd/%d", fd);
		c->shell_argv[1] = (char *)"--rcfile";
		c->shell_argv[2] = c->rcfile;
		c->shell_argv[3] = (char *)"-i";
	} else if (strcmp(base, "zsh") == 0) {
		snprintf(c->prompt, sizeof c->prompt, "[cowbox %s] %%~ %%# ", name);
	} else {
		snprintf(c->prompt, sizeof c->prompt, "[cowbox %s] $ ", name);
	}
	return 0;
}

/* The command as one line, for box.json, which makes it printable. */
static void command_line(const struct options *o, char *ret, size_t size)
{
	size_t at = 0;

	ret[0] = '\0';
	if (!o->nargs)
		snprintf(ret, size, "%s", getenv("SHELL") ? getenv("SHELL") : "/bin/sh");
	for (size_t i = 0; i < o->nargs && at < size; i++)
		at += (size_t)snprintf(ret + at, size - at, "%s%.1000s", i ? " " : "", o->args[i]);
}

/* ---- the box ---- */

/* ret_fresh: made now, and named by us; ret_made: made now. */
static int open_box(struct session *s, const struct options *o, const char *wanted, bool remove, bool *ret_fresh, bool *ret_made,
                    struct err *err)
{
	char name[BOX_NAME_MAX + 1], line[4096];
	const char *env = getenv("COWBOX_BOX"), *first = o->nargs ? o->args[0] : "shell";
	int r;

	if (!wanted && env && *env)
		wanted = env;
	r = wanted ? box_name_check(wanted, err) : 0;
	if (r == 0)
		r = store_open(true, &s->store, err);
	if (r == 0)
		r = session_recover(s->store, err);
	if (r < 0)
		return r;
	command_line(o, line, sizeof line);
	if (wanted) {
		r = box_open(s->store, wanted, &s->box, err);
		if (r == 0 && remove)
			return err_set(err, -EINVAL,
			               "--rm is for a new box, and %s is there: leave --rm out, or cowbox discard -b %s first",
			               wanted, wanted);
		if (r == -ENOENT)
			*ret_made = (r = box_create(s->store, wanted, line, &s->box, err)) == 0;
		if (r == -EEXIST) /* another run was faster */
			r = box_open(s->store, wanted, &s->box, err);
	} else {
		*ret_fresh = true;
		first = strrchr(first, '/') ? strrchr(first, '/') + 1 : first;
		do {
			r = store_fresh_name(s->store, first, name, err);
			if (r == 0)
				r = box_create(s->store, name, line, &s->box, err);
		} while (r == -EEXIST);
		*ret_made = r == 0;
	}
	return r < 0 ? r : overlay_new(s->box, &s->ov, err);
}

/* A commit holds the box for as long as it takes: that is said, once it is no matter of a moment. */
static int hold_box(struct box *box, struct err *err)
{
	char users[USERS_MAX];
	int r = -EBUSY;

	for (int tries = 0; r == -EBUSY && tries < 20; tries++) {
		if (tries > 0)
			usleep(25000);
		r = box_try_hold_running(box, err);
	}
	if (r != -EBUSY)
		return r;
	log_say("run: box %s is in use by another cowbox%s, a commit perhaps: waiting for it", box->name,
	        session_users(box, users));
	return box_hold_running(box, err);
}

/* ---- after the run ---- */

static void tell_refusals(const struct run_result *res)
{
	char path[4096];

	for (size_t i = 0; i < res->nrefused && i < REFUSALS_MAX; i++) {
		const struct run_refusal *x = &res->refused[i];
		bool socket = x->path && (strcmp(x->what, "connect") == 0 || strncmp(x->what, "send", 4) == 0);
		char times[32] = "";

		if (x->times > 1)
			snprintf(times, sizeof times, ", %u times", x->times);
		path_printable(x->path ? x->path : "", path, sizeof path);
		if (socket)
			log_say("refused: %s to %s (%s%s): --allow-socket %s allows it", x->what, path, x->comm, times, path);
		else
			log_say("refused: %s%s%s (%s%s): %s", x->what, *path ? " " : "", path, x->comm, times, strerror(x->code));
	}
	if (res->nrefused > REFUSALS_MAX)
		log_say("refused: and %zu more", res->nrefused - REFUSALS_MAX);
}

static int exit_status(int status)
{
	if (WIFSIGNALED(status))
		return CMD_RUN_SIGNAL + WTERMSIG(status);
	return WIFEXITED(status) ? WEXITSTATUS(status) : CMD_RUN_FAILED;
}

static bool remove_box(struct session *s)
{
	struct err err = { 0 };

	overlay_freep(&s->ov);
	if (box_remove(s->store, s->box, &err) == 0)
		return true;
	log_say("run: %s", err.msg);
	return false;
}

/* The command did not start: a box that was made for it, and in which nobody else works or has left anything, goes again, as if there had been no
 * run; anyhow: whatever is in it. last: the box used last before. One message is enough: nothing is said of it. */
static void take_back(struct session *s, bool anyhow, const char *last)
{
	struct changes changes;
	struct err err = { 0 };
	char name[BOX_NAME_MAX + 1];
	bool empty = s->ov && changes_collect(s->ov, CHANGES_NO_CONTENT, &changes, NULL) == 0;

	if (empty) {
		empty = changes.count == 0;
		changes_release(&changes);
	}
	if (!(empty || anyhow) || box_is_running(s->box) != 0)
		return;
	strcpy(name, s->box->name);
	overlay_freep(&s->ov);
	if (box_remove(s->store, s->box, &err) == 0)
		session_restore_last(s->store, name, last);
}

/* What becomes of the box. fresh: made for this run and named by us. A box that goes stays the one used last: the next verb then says that it is
 * gone, and does not take an older one without a word. */
static void finish(struct session *s, const struct wish *w, bool fresh)
{
	bool empty = false, gone = false;
	char users[USERS_MAX];

	if (w->remove) {
		remove_box(s);
		return;
	}
	summary_after_run(s, &empty, &gone);
	/* Nobody named it, and there is nothing in it to come back for. */
	if (!gone && empty && fresh && box_is_running(s->box) > 0)
		log_say("no changes yet: box %s is in use by another cowbox%s", s->box->name, session_users(s->box, users));
	else if (!gone && empty && fresh && remove_box(s))
		log_say("no changes (box %s removed)", s->box->name);
}

/* One word that holds a whole command line. */
static bool is_command_line(const struct command *c)
{
	return c->argv[0] && !c->argv[1] && c->argv[0][strcspn(c->argv[0], " \t\n;|&<>$`")];
}

static int failed(const struct command *c, enum run_why why, const struct err *err)
{
	static const int status[] = {
		[RUN_FAILED] = CMD_RUN_FAILED,
		[RUN_NOT_FOUND] = CMD_RUN_NOT_FOUND,
		[RUN_NOT_EXECUTABLE] = CMD_RUN_NOT_EXECUTABLE,
	};

	if (why == RUN_NOT_FOUND && is_command_line(c))
		log_say("run: %s (for a command line: cowbox run -- sh -c '...')", err->msg);
	else
		log_say("run: %s", err->msg);
	return status[why];
}

static int run_command(struct session *s, struct command *c, struct wish *w, struct run_result *res, struct err *err)
{
	_cleanup_(strings_free) char **env = guest_environment(s->box->name, c->prompt[0] ? c->prompt : NULL);
	struct run_options opt = {
		.argv = c->argv, .envp = env, .inherit = w->inherit, .ninherit = w->ninherit, .allow_socket = w->sockets
	};
	int r;

	if (!env)
		return err_sys(err, -ENOMEM, "cannot make the environment");
	fflush(stdout);
	r = trace_run(s->ov, &opt, res, err);
	term_take_back();
	return r;
}

static int run_in_box(const struct options *o, struct wish *w)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_close_ int hold = -1;
	struct command c = { .argv = (char *const *)o->args };
	struct run_result res = { 0 };
	struct err err = { 0 };
	char last[BOX_NAME_MAX + 1] = "";
	bool fresh = false, made = false;
	int r, status;

	r = trace_check(&err);
	if (r == 0)
		r = open_box(&s, o, w->box, w->remove, &fresh, &made, &err);
	if (r == 0 && w->limited)
		overlay_set_base_limit(s.ov, w->base_limit);
	if (r == 0)
		r = hold = hold_box(s.box, &err);
	if (r >= 0 && !o->nargs && prepare_shell(&c, w, s.box->name) < 0)
		r = err_sys(&err, -ENOMEM, "cannot prepare the shell");
	if (r < 0) {
		log_say("run: %s", err.msg);
		fd_closep(&hold);
		if (made)
			take_back(&s, false, last);
		return err.code == -EINVAL ? CMD_USAGE : CMD_RUN_FAILED;
	}
	session_last(s.store, last);
	store_set_last(s.store, s.box->name, NULL);
	session_tell_cwd(&s);
	r = run_command(&s, &c, w, &res, &err);
	fd_closep(&hold);
	hold = -1;
	status = r < 0 ? failed(&c, res.why, &err) : exit_status(res.status);
	if (r == 0)
		tell_refusals(&res);
	run_result_release(&res);
	if (r == 0 || !made)
		finish(&s, w, fresh);
	else
		take_back(&s, w->remove, last);
	return status;
}

/* ---- the command line ---- */

static int add_fd(const struct verb *v, struct wish *w, const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);
	int *all;

	if (!*text || *end || n < 3 || n > 1 << 20)
		return usage(v, "--inherit-fd=%s: it must be the number of a descriptor, 3 or more", text);
	if (fcntl((int)n, F_GETFD) < 0)
		return usage(v, "--inherit-fd=%s: that descriptor is not open", text);
	all = reallocarray(w->inherit, w->ninherit + 1, sizeof *all);
	if (!all)
		return CMD_RUN_FAILED;
	w->inherit = all;
	w->inherit[w->ninherit++] = (int)n;
	return CMD_OK;
}

static int add_socket(const struct verb *v, struct wish *w, const char *text)
{
	char **all;

	if (*text != '/')
		return usage(v, "--allow-socket=%s: it must be an absolute path", text);
	all = reallocarray(w->sockets, w->nsockets + 2, sizeof *all);
	if (!all)
		return CMD_RUN_FAILED;
	w->sockets = all;
	w->sockets[w->nsockets++] = (char *)text;
	w->sockets[w->nsockets] = NULL;
	return CMD_OK;
}

static int run_run(const struct verb *v, int argc, char **argv)
{
	_cleanup_options_ struct options o = { 0 };
	_cleanup_(wish_release) struct wish w = { 0 };
	int id, r = CMD_OK;

	if (options_init(&o, v, argc, argv) < 0)
		return CMD_RUN_FAILED;
	while (r == CMD_OK && (id = options_next(&o)) > 0) {
		if (help_common(v, id))
			return CMD_OK;
		if (id == 'b')
			w.box = o.value;
		else if (id == OPT_RM)
			w.remove = true;
		else if (id == OPT_KEEP_ORIGINALS && history_parse_size(o.value, &w.base_limit) < 0)
			r = usage(v, "--keep-originals=%s: it is a size, as 500k or 64M; 0 keeps none", o.value);
		else if (id == OPT_KEEP_ORIGINALS)
			w.limited = true;
		else if (id == OPT_INHERIT_FD)
			r = add_fd(v, &w, o.value);
		else if (id == OPT_ALLOW_SOCKET)
			r = add_socket(v, &w, o.value);
	}
	if (r != CMD_OK)
		return r;
	if (id < 0)
		return CMD_USAGE;
	if (o.nargs && !*o.args[0]) {
		log_say("run: the command is empty");
		return CMD_RUN_NOT_FOUND;
	}
	return run_in_box(&o, &w);
}

const struct verb verb_run = {
	.name = "run",
	.usage = "[-b BOX] [--rm] [--keep-originals=SIZE] [--inherit-fd=N] [--allow-socket=PATH] [--] [CMD ARG...]",
	.summary = "run a command in a box",
	.details = "The command sees the whole file system and may change it; the changes go into the box. Without CMD your shell "
		   "runs, with the box's\n"
		   "name in its prompt; where stdin is no terminal it runs what it reads there. That shell, when it is bash, reads "
		   "your history but\n"
		   "does not write it. A new box is made unless one is named. On a terminal you are asked at the end what to do "
		   "with the changes,\n"
		   "unless another run still works in the box; else the box is kept. Inside, COWBOX=1 and COWBOX_BOX=NAME are set.",
	.exits = "the command's own, 128+N when signal N ended it\n2 wrong usage\n125 cowbox itself failed\n126 the command cannot "
		 "be executed\n"
		 "127 the command was not found",
	.options = options,
	.stops = true,
	.run = run_run,
};

/* commit_edit.c - texts in files of a private directory, for an editor or a merge tool. */
#include "commit_ui.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/tree.h"

/* What an editor may give back. */
#define TEXT_BACK_MAX (4 * MERGE_SIZE_MAX)

/* ---- files ---- */

/* Where the one is that there may be; for a signal's handler. */
static char live[PATH_MAX];

void scratch_end(void)
{
	pid_t pid = live[0] ? fork() : -1;

	if (pid == 0) {
		execl("/bin/rm", "rm", "-rf", "--", live, (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int scratch_make(struct scratch *s, struct err *err)
{
	const char *tmp = getenv("TMPDIR");

	if (s->path[0])
		return 0;
	if (snprintf(s->path, sizeof s->path, "%s/cowbox-XXXXXX", tmp && *tmp == '/' ? tmp : "/tmp") >= (int)sizeof s->path ||
	    !mkdtemp(s->path)) {
		int r = err_sys(err, -errno, "no temporary directory %s", s->path);

		s->path[0] = '\0';
		return r;
	}
	strcpy(live, s->path);
	return 0;
}

void scratch_remove(struct scratch *s)
{
	_cleanup_close_ int fd = -1;
	char dir[PATH_MAX];

	if (!s->path[0])
		return;
	fd = path_split(s->path, dir, sizeof dir) ? sys_openat(AT_FDCWD, dir, O_PATH | O_DIRECTORY | O_CLOEXEC, 0) : -1;
	if (fd >= 0)
		(void)tree_remove(fd, strrchr(s->path, '/') + 1);
	s->path[0] = live[0] = '\0';
}

int scratch_write(struct scratch *s, const char *dir, const char *name, const void *data, size_t size, char ret[static PATH_MAX],
                  struct err *err)
{
	_cleanup_close_ int fd = -1;
	char place[PATH_MAX];
	int r = scratch_make(s, err);

	if (r < 0)
		return r;
	r = path_join(place, sizeof place, s->path, dir);
	if (r >= 0)
		r = sys_mkdirat(AT_FDCWD, place, 0700);
	if (r == 0 || r == -EEXIST)
		r = path_join(ret, PATH_MAX, place, name);
	if (r >= 0)
		r = fd = sys_openat(AT_FDCWD, ret, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (r >= 0)
		r = sys_write_all(fd, data, size);
	return r < 0 ? err_sys(err, r, "%s", place) : 0;
}

int scratch_read(const char *path, char **ret, size_t *ret_size, struct err *err)
{
	_cleanup_close_ int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
	_cleanup_free_ char *data = NULL;
	struct stat st = { 0 };
	ssize_t n = fd < 0 ? fd : sys_fstat(fd, &st);

	if (n >= 0 && !S_ISREG(st.st_mode))
		n = -ENODATA;
	if (n >= 0 && st.st_size > (off_t)TEXT_BACK_MAX)
		n = -EFBIG;
	if (n >= 0 && !(data = malloc((size_t)st.st_size + 1)))
		n = -ENOMEM;
	if (n >= 0)
		n = sys_read_all(fd, data, (size_t)st.st_size);
	if (n < 0)
		return err_sys(err, (int)n, "%s", path);
	data[n] = '\0';
	*ret = TAKE_PTR(data);
	*ret_size = (size_t)n;
	return 0;
}

/* ---- running a program on the terminal ---- */

static volatile sig_atomic_t ended, child;

static void on_end(int sig)
{
	ended = sig;
	if (child > 0)
		kill((pid_t)child, SIGHUP);
}

static const int keys[] = { SIGINT, SIGQUIT }; /* are for the program */
static const int ends[] = { SIGTERM, SIGHUP }; /* are for us */

struct signals {
	struct sigaction keys[2], ends[2];
};

static void signals_take(struct signals *s)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, end = { .sa_handler = on_end };

	ended = 0;
	for (int i = 0; i < 2; i++) {
		sigaction(keys[i], &ignore, &s->keys[i]);
		sigaction(ends[i], &end, &s->ends[i]);
	}
}

static void signals_restore(const struct signals *s)
{
	for (int i = 0; i < 2; i++) {
		sigaction(keys[i], &s->keys[i], NULL);
		sigaction(ends[i], &s->ends[i], NULL);
	}
}

/* argv[0] is looked for in $PATH. environment: name, value, name, value, ..., NULL. */
static void __attribute__((noreturn)) program_child(const char *const *argv, const char *const *environment)
{
	sigset_t none;

	for (int i = 0; i < 2; i++) {
		signal(keys[i], SIG_DFL);
		signal(ends[i], SIG_DFL);
	}
	signal(SIGPIPE, SIG_DFL);
	signal(SIGTSTP, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* What it shows is for the person, not part of our output. */
	if (!isatty(STDOUT_FILENO))
		dup2(STDERR_FILENO, STDOUT_FILENO);
	for (const char *const *e = environment; e && *e; e += 2)
		setenv(e[0], e[1], 1);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

/* Its exit status, 128 + N for a signal; -EINTR: we are to end, and it was ended. */
static int program_run(const char *const *argv, const char *const *environment)
{
	struct termios mode;
	bool has_mode = tcgetattr(STDIN_FILENO, &mode) == 0;
	struct signals before;
	sigset_t ours, mask;
	int status = 0;
	pid_t pid;

	fflush(stdout);
	fflush(stderr);
	sigemptyset(&ours);
	for (int i = 0; i < 2; i++)
		sigaddset(&ours, ends[i]);
	signals_take(&before);
	/* It is known whom to end before we can be told to. */
	sigprocmask(SIG_BLOCK, &ours, &mask);
	pid = fork();
	if (pid == 0)
		program_child(argv, environment);
	child = pid;
	sigprocmask(SIG_SETMASK, &mask, NULL);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	child = 0;
	signals_restore(&before);
	if (pid < 0)
		return -EAGAIN;
	/* One that crashed may have left it in any state. */
	term_take_back();
	if (has_mode)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &mode);
	if (ended)
		return -EINTR;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int program_result(int status, const char *what, struct err *err)
{
	if (status == -EINTR)
		return err_set(err, -EINTR, "interrupted");
	if (status < 0)
		return err_sys(err, status, "%s", what);
	if (status == 127)
		return err_set(err, -ECANCELED, "%s cannot be run", what);
	return status ? err_set(err, -ECANCELED, "%s failed (exit status %d)", what, status) : 0;
}

int edit_file(const char *path, struct err *err)
{
	const char *visual = getenv("VISUAL"), *editor = getenv("EDITOR");
	const char *what = visual && *visual ? visual : editor && *editor ? editor : "vi";
	char command[PATH_MAX], text[PATH_MAX];

	/* It may have arguments, and the path is to be one, whatever is in it. */
	if (snprintf(command, sizeof command, "%s \"$@\"", what) >= (int)sizeof command)
		return err_set(err, -ENAMETOOLONG, "the command of the editor is too long");
	path_printable(what, text, sizeof text);
	return program_result(program_run((const char *const[]){ "sh", "-c", command, what, path, NULL }, NULL), text, err);
}

/* ---- the user's merge tool ---- */

/* How tools are called that git knows by name. "$tool_path" is set where the user has told where it is. */
static const struct {
	const char *name, *command;
} tools[] = {
	{ "vimdiff", "\"${tool_path:-vim}\" -f -d -c '4wincmd w | wincmd J' \"$LOCAL\" \"$BASE\" \"$REMOTE\" \"$MERGED\"" },
	{ "nvimdiff", "\"${tool_path:-nvim}\" -f -d -c '4wincmd w | wincmd J' \"$LOCAL\" \"$BASE\" \"$REMOTE\" \"$MERGED\"" },
	{ "gvimdiff", "\"${tool_path:-gvim}\" -f -d -c '4wincmd w | wincmd J' \"$LOCAL\" \"$BASE\" \"$REMOTE\" \"$MERGED\"" },
	{ "meld", "\"${tool_path:-meld}\" --output=\"$MERGED\" \"$LOCAL\" \"$BASE\" \"$REMOTE\"" },
	{ "kdiff3", "\"${tool_path:-kdiff3}\" --auto -o \"$MERGED\" \"$BASE\" \"$LOCAL\" \"$REMOTE\"" },
};

/* What git has for the key in the user's own configuration, or in the machine's; to be freed; NULL: none, or there is no git. Not in that of the repository
 * that we are in: the box's programs may have made or changed it, and what is found here is run on the host. */
static char *git_config_of(const char *scope, const char *key)
{
	char value[PATH_MAX];
	int fds[2], status = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return NULL;
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		unsetenv("GIT_DIR");
		if (chdir("/") == 0)
			execlp("git", "git", "config", scope, "--includes", "--get", key, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	n = pid < 0 ? -1 : sys_read_all(fds[0], value, sizeof value - 1);
	close(fds[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n <= 0 || status != 0)
		return NULL;
	value[n] = '\0';
	if (value[n - 1] == '\n')
		value[n - 1] = '\0';
	/* Half a command would be another. */
	return *value && !strchr(value, '\n') ? strdup(value) : NULL;
}

static char *git_config(const char *key)
{
	char *value = git_config_of("--global", key);

	return value ? value : git_config_of("--system", key);
}

bool merge_tool_find(struct merge_tool *t)
{
	_cleanup_free_ char *name = NULL;
	char key[128];

	if (t->looked)
		return t->command;
	t->looked = true;
	name = git_config("merge.tool");
	if (!name || strlen(name) >= sizeof t->name)
		return false;
	strcpy(t->name, name);
	snprintf(key, sizeof key, "mergetool.%s.cmd", name);
	t->command = git_config(key);
	snprintf(key, sizeof key, "mergetool.%s.path", name);
	t->path = git_config(key);
	for (size_t i = 0; !t->command && i < sizeof tools / sizeof *tools; i++)
		if (strcmp(name, tools[i].name) == 0)
			t->command = strdup(tools[i].command);
	return t->command;
}

void merge_tool_release(struct merge_tool *t)
{
	free(t->command);
	free(t->path);
	*t = (struct merge_tool){ 0 };
}

int merge_tool_run(const struct merge_tool *t, const char *base, const char *local, const char *remote, const char *merged,
                   struct err *err)
{
	const char *const environment[] = { "BASE", base,     "LOCAL", local,       "REMOTE",
		                            remote, "MERGED", merged,  "tool_path", t->path ? t->path : "",
		                            NULL };
	char text[4 * sizeof t->name + 32] = "the merge tool ", command[4 * PATH_MAX];

	path_printable(t->name, text + strlen(text), sizeof text - strlen(text));
	log_say("%s: %s", t->name, text_printable(t->command, command, sizeof command));
	return program_result(program_run((const char *const[]){ "sh", "-c", t->command, "sh", NULL }, environment), text, err);
}

/* execve's path, arguments and environment, which another thread or process exchanges during the call. The program is one of the box's own or one
 * of the host's, with an argument that is a file to be truncated, now one of the box's, now PREY/file; also through a script, and from a thread that
 * is not the leader of its process. What runs then must be one of the two, and behind the walls.
 */
#include "race.h"

#define RAN_TOOL 42
#define NOT_RUN 43

static char *program, *script, *target, *words;
static char **arguments, **environment, *tool_argv0;
static char *text;

/* ---- what is executed ---- */

static int tool(int argc, char **argv)
{
	int fd;

	for (int i = 1; i < argc; i++) {
		const char *base = strrchr(argv[i], '/');

		if (!base || strcmp(base, "/file") != 0)
			continue;
		fd = open(argv[i], O_WRONLY | O_TRUNC | O_NONBLOCK);
		if (fd >= 0 && write(fd, "executed", 8) < 0)
			return 2;
		if (fd >= 0)
			close(fd);
		chmod(argv[i], 0666);
	}
	return RAN_TOOL;
}

/* ---- who executes it ---- */

static void one_exec(const char *path)
{
	execve(path, arguments, environment);
	syscall(SYS_execveat, AT_FDCWD, path, arguments, environment, AT_SYMLINK_NOFOLLOW);
	/* torn between two programs there may be nothing to execute; for ever it is not so */
	for (int i = 0; i < 20; i++)
		execve(path, arguments, environment);
	_exit(NOT_RUN);
}

static void *exec_in_thread(void *path)
{
	one_exec(path);
	return NULL;
}

static void by_leader(void *path)
{
	one_exec(path);
}

static void by_thread(void *path)
{
	pthread_t t;

	if (pthread_create(&t, NULL, exec_in_thread, path) != 0)
		_exit(NOT_RUN);
	for (;;)
		pause();
}

/* Several at once, while one exchanges words: the kernel ends all but one of them. */
static void by_many(void *path)
{
	pthread_t t;

	for (int i = 0; i < 3; i++)
		if (pthread_create(&t, NULL, exec_in_thread, path) != 0)
			_exit(NOT_RUN);
	race->end = attack_now() + 5;
	race->stop = 0;
	race_run(NULL);
	_exit(NOT_RUN);
}

/* The words are exchanged by a thread of the process that executes. */
static void beside_thread(void *path)
{
	pthread_t t;

	race->end = attack_now() + 5;
	race->stop = 0;
	if (pthread_create(&t, NULL, race_run_thread, NULL) != 0)
		_exit(NOT_RUN);
	one_exec(path);
}

/* A vfork: the parent's memory is the child's until it executes. */
static void by_vfork(void *path)
{
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		execve(path, arguments, environment);
		_exit(NOT_RUN);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		_exit(NOT_RUN);
	_exit(WEXITSTATUS(status));
}

static unsigned counts[4];

static void judge(int status)
{
	int code = status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	counts[code == 0 ? 0 : code == RAN_TOOL ? 1 : code == NOT_RUN ? 2 : 3]++;
	if (code == 0 || code == RAN_TOOL || code == NOT_RUN)
		return;
	/* the leader's process is killed when the kernel has begun and cannot go on; another code is of a program that was never named */
	if (code > 0)
		reached("another program than the two ran");
	else if (getenv("ATTACK_VERBOSE"))
		printf("status %x\n", status);
}

static void round_of_all(void)
{
	static void (*const hows[])(void *) = { by_leader, by_thread, by_vfork, by_many, beside_thread };

	for (size_t i = 0; i < sizeof hows / sizeof hows[0]; i++) {
		judge(attack_child(hows[i], program, 2));
		judge(attack_child(hows[i], script, 2));
	}
}

static void copy_self(const char *to)
{
	char buf[65536];
	int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);

	for (ssize_t n; (n = read(in, buf, sizeof buf)) > 0;)
		if (write(out, buf, (size_t)n) != n)
			exit(2);
	close(in);
	close(out);
}

static void set_words(void)
{
	char path[8400], at[4200];
	uint32_t script_name, tool_name;

	program = race_path("program");
	target = race_path("file");
	sprintf(path, "%s/program", race_mine);
	copy_self(path);
	/* two of the box's: a script whose interpreter is the other */
	sprintf(at, "%s/tool", race_mine);
	copy_self(at);
	snprintf(path, sizeof path, "#!%.4000s/tool %s/file\n", race_mine, attack_prey);
	race_make("scri", path);
	script = race_room(strlen(at) + 1);
	sprintf(script, "%s/scri", race_mine);
	chmod(script, 0755);
	memcpy(&script_name, "scri", 4);
	memcpy(&tool_name, "tool", 4);
	race_swap(script + strlen(race_mine) + 1, 4, script_name, tool_name);
	tool_argv0 = race_room(32);
	strcpy(tool_argv0, "tool");
	words = race_room(64);
	strcpy(words, "A=b");
	text = race_room(4200);
	sprintf(text, "%s/file", race_mine);
	arguments = race_room(8 * sizeof *arguments);
	arguments[0] = tool_argv0;
	arguments[1] = target;
	arguments[2] = target;
	environment = race_room(8 * sizeof *environment);
	environment[0] = words;
	/* pointers: between two texts, to no memory at all, to the end of the vector */
	race_swap(&arguments[2], 8, (uintptr_t)target, (uintptr_t)text);
	race_swap(&arguments[3], 8, 0, (uintptr_t)text);
	race_swap(&arguments[0], 8, (uintptr_t)tool_argv0, (uintptr_t)text);
	race_swap(&environment[0], 8, (uintptr_t)words, 0);
	race_swap(&environment[1], 8, 0, (uintptr_t)words);
	race_swap(words, 4, 0x00623d41, 0x623d4141);
}

int main(int argc, char **argv)
{
	if (argc != 4 || atoi(argv[2]) <= 0)
		return tool(argc, argv);
	attack_begin(argc, argv);
	race_page();
	race_make_mine();
	race_make("file", "mine");
	set_words();
	for (int who = 0; who < RACE_WHOS; who++) {
		double share = attack_seconds / 2 / RACE_WHOS;

		race_start(who, share);
		for (double end = attack_now() + share; attack_now() < end;)
			round_of_all();
		race_stop();
	}
	if (getenv("ATTACK_VERBOSE"))
		printf("the host's %u, the box's %u, none %u, ended %u\n", counts[0], counts[1], counts[2], counts[3]);
	return attack_end();
}

/* test_commit_swap.c - who owns a directory exchanges two names in it, at each call that a commit makes in turn: what nobody judged keeps its
 * content, mode and times, and gets no new names in it.
 *
 * The calls are met by the linker's --wrap (CMakeLists.txt).
 */
#include "commit_world.h"

#include <dirent.h>
#include <sys/syscall.h>
#include "base/sys.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

/* ---- the owner ---- */

static struct {
	const char *name;  /* name: what is exchanged, "" for the temporary of the moment; NULL: nobody is at work */
	const char *prey;  /* prey: and with what */
	unsigned calls, at;
	bool done;
} owner;

static bool temporary(char ret[static NAME_MAX + 1])
{
	DIR *d = opendir(".");
	struct dirent *e;
	bool found = false;

	while (d && !found && (e = readdir(d)))
		if (strncmp(e->d_name, ".cowbox-", 8) == 0) {
			strcpy(ret, e->d_name);
			found = true;
		}
	if (d)
		closedir(d);
	return found;
}

static void called(void)
{
	char temp[NAME_MAX + 1];
	const char *name = owner.name;

	if (!name || owner.calls++ != owner.at || (!*name && !temporary(temp)))
		return;
	owner.done = syscall(SYS_renameat2, AT_FDCWD, *name ? name : temp, AT_FDCWD, owner.prey, RENAME_EXCHANGE) == 0;
}

#define WRAPPED(ret, name, params, args) \
	ret __real_##name params;        \
	ret __wrap_##name params;        \
	ret __wrap_##name params         \
	{                                \
		called();                \
		return __real_##name args; \
	}

WRAPPED(int, sys_openat, (int fd, const char *path, int flags, mode_t mode), (fd, path, flags, mode))
WRAPPED(int, sys_openat2, (int fd, const char *path, uint64_t flags, mode_t mode, uint64_t resolve), (fd, path, flags, mode, resolve))
WRAPPED(int, sys_mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode))
WRAPPED(int, sys_mknodat, (int fd, const char *path, mode_t mode, dev_t dev), (fd, path, mode, dev))
WRAPPED(int, sys_symlinkat, (const char *target, int fd, const char *path), (target, fd, path))
WRAPPED(int, sys_linkat, (int a, const char *b, int c, const char *d, int e), (a, b, c, d, e))
WRAPPED(int, sys_unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
WRAPPED(int, sys_renameat2, (int a, const char *b, int c, const char *d, unsigned e), (a, b, c, d, e))
WRAPPED(int, sys_chmod_fd, (int fd, mode_t mode), (fd, mode))
WRAPPED(int, sys_utimensat, (int fd, const char *path, const struct timespec ts[2], int flags), (fd, path, ts, flags))
WRAPPED(int, sys_fstat, (int fd, struct stat *ret), (fd, ret))
WRAPPED(int, sys_fstatat, (int fd, const char *path, struct stat *ret, int flags), (fd, path, ret, flags))

/* ---- what is at stake ---- */

static void assert_same(const struct stat *before, int fd, const char *what)
{
	struct stat now;

	assert_int_equal(fstat(fd, &now), 0);
	if (now.st_mode != before->st_mode || now.st_uid != before->st_uid || now.st_size != before->st_size ||
	    now.st_mtim.tv_sec != before->st_mtim.tv_sec || now.st_mtim.tv_nsec != before->st_mtim.tv_nsec)
		fail_msg("%s with %s at call %u: %s was changed", *owner.name ? owner.name : "a temporary", owner.prey, owner.at, what);
}

static unsigned names_in(int fd)
{
	DIR *d = fdopendir(dup(fd));
	unsigned n = 0;

	assert_non_null(d);
	rewinddir(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void make_host(void)
{
	assert_int_equal(mkdir("theirs", 0700) | mkdir("d", 0755) | mkdir("p", 0755), 0);
	host_write("theirs/in", "in\n");
	host_write("secret", "secret\n");
	assert_int_equal(chmod("secret", 0600), 0);
	host_write("f", "secret\n");
	host_write("r", "r\n");
	host_write("g", "g\n");
	assert_int_equal(link("g", "p/g"), 0);
}

/* ---- what the box changed, in the cases below ---- */

static void chmod_file(struct world *x)
{
	box_chmod(x, "f", 0666);
}

static void chmod_directory(struct world *x)
{
	box_chmod(x, "d", 0777);
}

static void new_in_directory(struct world *x)
{
	box_new(x, "p/new", "new\n");
	box_chmod(x, "p/g", 0666);
}

static void new_directory(struct world *x)
{
	box_mkdir(x, "n");
	box_new(x, "n/f", "f\n");
	box_chmod(x, "n", 0777);
}

static void renamed_file(struct world *x)
{
	box_rename(x, "r", "s", 0);
	box_chmod(x, "s", 0666);
}

static void written_in_place(struct world *x)
{
	box_append(x, "g", "more\n");
}

static void new_objects(struct world *x)
{
	new_directory(x);
	box_symlink(x, "nowhere", "l");
	box_append(x, "f", "more\n");
}

/* Commits while the owner is at work. Returns how many calls there were. */
static unsigned one_commit(struct world *x, void (*make_box)(struct world *x))
{
	struct stat secret, theirs, in;
	int fd[3];
	struct err err = { 0 };
	unsigned names;

	make_host();
	make_box(x);
	fd[0] = open("secret", O_RDONLY | O_CLOEXEC);
	fd[1] = open("theirs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd[2] = open("theirs/in", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(fd[0], &secret) | fstat(fd[1], &theirs) | fstat(fd[2], &in), 0);
	names = names_in(fd[1]);
	plan(x);
	choose(x, "");
	commit_settle(x->plan);
	owner.calls = 0;
	owner.done = false;
	assert_int_equal(commit_apply(x->plan, NULL, NULL, &x->result, &err), 0);
	if (owner.done) {
		assert_same(&secret, fd[0], "the secret");
		assert_same(&theirs, fd[1], "their directory");
		assert_same(&in, fd[2], "what is in it");
		if (names_in(fd[1]) != names)
			fail_msg("%s at call %u: something was put into their directory", owner.name, owner.at);
	}
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	return owner.calls;
}

static void at_each_call(void (*make_box)(struct world *x), const char *name, const char *prey)
{
	unsigned calls = 1, done = 0;

	for (owner.at = 0; owner.at < calls; owner.at++) {
		void *world = NULL;

		owner.name = NULL;
		assert_int_equal(world_setup(&world), 0);
		owner.name = name;
		owner.prey = prey;
		calls = one_commit(world, make_box);
		done += owner.done;
		owner.name = NULL;
		assert_int_equal(world_teardown(&world), 0);
	}
	assert_true(done > 0);
}

static void test_file(void **state)
{
	(void)state;
	at_each_call(chmod_file, "f", "secret");
}

static void test_directory(void **state)
{
	(void)state;
	at_each_call(chmod_directory, "d", "theirs");
}

static void test_parent(void **state)
{
	(void)state;
	at_each_call(new_in_directory, "p", "theirs");
}

static void test_new_directory(void **state)
{
	(void)state;
	at_each_call(new_directory, "n", "theirs");
}

static void test_renamed(void **state)
{
	(void)state;
	at_each_call(renamed_file, "s", "secret");
}

static void test_in_place(void **state)
{
	(void)state;
	at_each_call(written_in_place, "g", "secret");
}

static void test_temporary_file(void **state)
{
	(void)state;
	at_each_call(new_objects, "", "secret");
}

static void test_temporary_directory(void **state)
{
	(void)state;
	at_each_call(new_objects, "", "theirs");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_parent),
		cmocka_unit_test(test_new_directory),
		cmocka_unit_test(test_renamed),
		cmocka_unit_test(test_in_place),
		cmocka_unit_test(test_temporary_file),
		cmocka_unit_test(test_temporary_directory),
	};

	cred_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

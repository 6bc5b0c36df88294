/* store_room.h - for the tests of the store and of boxes: a private directory with a store of its own, "the room", for each test.
 *
 * Use with ROOM_TEST(test); COWBOX_HOME is the room. TMPDIR says below which directory it is made, else /var/tmp.
 */
#ifndef COWBOX_TESTS_STORE_ROOM_H
#define COWBOX_TESTS_STORE_ROOM_H

#include "fixture.h"

#include <dirent.h>
#include <limits.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/sys.h"
#include "overlay/box.h"

#define NOBODY 65534

static char room[PATH_MAX];   /* realpath() asks for no less */

static inline const char *tmp_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	return tmp ? tmp : "/var/tmp";
}

static inline int room_setup(void **state)
{
	char plain[sizeof room];

	(void)state;
	snprintf(plain, sizeof plain, "%s/cowbox-box-XXXXXX", tmp_dir());
	if (!mkdtemp(plain) || !realpath(plain, room) || chmod(room, 0711) < 0)
		return -1;
	unsetenv("XDG_STATE_HOME");
	return setenv("COWBOX_HOME", room, 1);
}

static inline int room_teardown(void **state)
{
	char cmd[2 * sizeof room + 64];

	(void)state;
	sys_fault(SYS_FAULT_OFF, 0, 0);
	snprintf(cmd, sizeof cmd, "chmod -R u+rwx '%s' && rm -rf '%s'", room, room);
	if (system(cmd) != 0)
		print_message("kept %s\n", room);
	return 0;
}

static inline struct store *open_store(void)
{
	struct store *s = NULL;
	struct err err = { 0 };

	if (store_open(true, &s, &err) < 0)
		fail_msg("store_open: %s", err.msg);
	return s;
}

static inline struct box *make_box(struct store *s, const char *name)
{
	struct box *b = NULL;
	struct err err = { 0 };

	if (box_create(s, name, "tar xf big.tar", &b, &err) < 0)
		fail_msg("box_create: %s", err.msg);
	return b;
}

/* How many entries boxes/ has besides . and .. */
static inline int entries(struct store *s)
{
	DIR *d = fdopendir(openat(s->boxes_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int n = -2;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static inline int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static inline void write_file(int dirfd, const char *name, const char *text, size_t len)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
}

static inline int in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define ROOM_TEST(f) cmocka_unit_test_setup_teardown(f, room_setup, room_teardown)

#endif

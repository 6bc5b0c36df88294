/* fixture.h - what the unit tests of all rooms share: cmocka, and a private directory for each test.
 *
 * Use with cmocka_unit_test_setup_teardown(test, dir_setup, dir_teardown): *state is the directory's path, T(state) its descriptor. The
 * directory is removed after the test; COWBOX_TEST_DIR says below which directory it is made, else /var/tmp (a disk file system).
 */
#ifndef COWBOX_TESTS_FIXTURE_H
#define COWBOX_TESTS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct dir {
	char path[256];
	int fd;
};

static inline int dir_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int dir_setup(void **state)
{
	const char *base = getenv("COWBOX_TEST_DIR");
	struct dir *d = calloc(1, sizeof *d);

	if (!d)
		return -1;
	snprintf(d->path, sizeof d->path, "%s/cowbox-unit.XXXXXX", base && *base ? base : "/var/tmp");
	if (!mkdtemp(d->path))
		return -1;
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = d;
	return d->fd < 0 ? -1 : 0;
}

static inline int dir_teardown(void **state)
{
	struct dir *d = *state;

	close(d->fd);
	nftw(d->path, dir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(d);
	return 0;
}

#define T(state) (((struct dir *)*(state))->fd)
#define DIR_TEST(f) cmocka_unit_test_setup_teardown(f, dir_setup, dir_teardown)

/* Makes the file name with the text in it; returns it open for reading and writing. */
static inline int dir_file(int dirfd, const char *name, const char *text, mode_t mode)
{
	int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	return fd;
}

#endif

/* fuzz.h - what the fuzz targets share: the entry that libFuzzer calls (or replay.c, which runs the corpus in every build), and a directory
 * of the process's own, which is removed at its end. A target aborts where what it tests breaks its contract. */
#ifndef COWBOX_TESTS_FUZZ_H
#define COWBOX_TESTS_FUZZ_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                         \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                \
		}                                                                               \
	} while (0)

static char fuzz_dir[PATH_MAX];

static inline void fuzz_dir_remove(void)
{
	char cmd[2 * PATH_MAX + 64];

	snprintf(cmd, sizeof cmd, "chmod -R u+rwX '%s' && rm -rf '%s'", fuzz_dir, fuzz_dir);
	if (system(cmd) != 0)
		fprintf(stderr, "kept %s\n", fuzz_dir);
}

/* Made at the first call; below $TMPDIR, else /var/tmp, which has the extended attributes that a store needs. */
static inline const char *fuzz_dir_get(void)
{
	const char *tmp = getenv("TMPDIR");
	char plain[PATH_MAX];

	if (fuzz_dir[0])
		return fuzz_dir;
	snprintf(plain, sizeof plain, "%s/cowbox-fuzz-XXXXXX", tmp ? tmp : "/var/tmp");
	MUST(mkdtemp(plain) && realpath(plain, fuzz_dir));
	atexit(fuzz_dir_remove);
	return fuzz_dir;
}

static inline void fuzz_write(int dirfd, const char *name, const void *data, size_t size)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
}

#endif

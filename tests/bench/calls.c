/* calls.c - loops over one kind of file call, for tests/bench/run.
 *
 *     calls stat PATH N       N times stat
 *     calls open PATH N       N times open for reading, and close
 *     calls create DIR N      N files of 10 bytes
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct stat st;
	char name[4200];
	int n = argc == 4 ? atoi(argv[3]) : 0;

	if (n < 1) {
		fprintf(stderr, "usage: calls stat|open|create PATH N\n");
		return 2;
	}
	for (int i = 0; i < n; i++) {
		int fd;

		if (strcmp(argv[1], "stat") == 0) {
			if (stat(argv[2], &st) < 0)
				return 1;
			continue;
		}
		if (strcmp(argv[1], "open") == 0) {
			fd = open(argv[2], O_RDONLY | O_CLOEXEC);
		} else {
			snprintf(name, sizeof(name), "%s/%d", argv[2], i);
			fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
			if (fd >= 0 && write(fd, "ten bytes\n", 10) != 10)
				return 1;
		}
		if (fd < 0)
			return 1;
		close(fd);
	}
	return 0;
}

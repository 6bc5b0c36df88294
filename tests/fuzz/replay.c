/* replay.c - runs each file of the directories that are named through a fuzz target; options are libFuzzer's, and left out. */
#include "fuzz.h"

#define INPUT_MAX (1 << 20)

static void run_file(int dirfd, const char *name)
{
	static uint8_t data[INPUT_MAX];
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, data, sizeof data);
	uint8_t *exact;

	MUST(n >= 0);
	close(fd);
	/* Of the size to the byte, so that ASan sees what reads beyond. */
	exact = malloc((size_t)n);
	MUST(exact || n == 0);
	if (n)
		memcpy(exact, data, (size_t)n);
	LLVMFuzzerTestOneInput(exact, (size_t)n);
	free(exact);
}

int main(int argc, char **argv)
{
	size_t done = 0;

	for (int i = 1; i < argc; i++) {
		DIR *dir;

		if (argv[i][0] == '-')
			continue;
		dir = opendir(argv[i]);
		MUST(dir);
		for (struct dirent *e; (e = readdir(dir));) {
			if (e->d_name[0] == '.')
				continue;
			run_file(dirfd(dir), e->d_name);
			done++;
		}
		closedir(dir);
	}
	printf("%zu inputs\n", done);
	return done ? 0 : 1;
}

/* Listing: entries of both sides once each, types, positions, seekdir, changes half-way, dup and fork sharing the position. */
#include "guest.h"
#include <dirent.h>

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(const char *path)
{
	char *names[2000];
	size_t n = 0;
	struct dirent *de;
	DIR *d = opendir(path);

	if (!d) {
		printf("%s: %s\n", path, strerrorname_np(errno));
		return;
	}
	while ((de = readdir(d)) && n < 2000)
		if (asprintf(&names[n], "%s:%d", de->d_name, de->d_type) > 0)
			n++;
	closedir(d);
	qsort(names, n, sizeof(*names), by_text);
	printf("%s: %zu\n", path, n);
	for (size_t i = 0; i < n; i++) {
		if (n < 60)
			printf(" %s", names[i]);
		if (i && strcmp(names[i], names[i - 1]) == 0)
			printf(" TWICE:%s", names[i]);
		free(i ? names[i - 1] : NULL);
	}
	if (n < 60)
		printf("\n");
}

static void mixtures(void)
{
	list("host");
	guest_put("host/new", "");
	unlink("host/f1");
	rename("host/f2", "host/renamed");
	guest_put("host/f3", "changed");
	unlink("host/f4");
	mkdir("host/f4", 0755);
	unlink("host/f5");
	symlink("x", "host/f5");
	list("host");
	mkdir("fresh", 0755);
	list("fresh");
	guest_put("fresh/a", "");
	list("fresh");
	rename("host/dir", "moved");
	guest_put("moved/more", "");
	unlink("moved/a");
	list("moved");
	list("host/dir");
	mkdir("host/dir", 0755);
	list("host/dir");
	list("host/f3");
	list("host/none");
	list("host/locked");
	list("host/many");
	for (int i = 0; i < 300; i++) {
		char name[64];

		snprintf(name, sizeof(name), "host/many/new%d", i);
		guest_put(name, "");
		snprintf(name, sizeof(name), "host/many/n%d", i + 1);
		if (i % 3 == 0)
			unlink(name);
	}
	list("host/many");
}

/* inode numbers in listings agree with stat */
static void numbers(const char *path)
{
	struct dirent *de;
	struct stat st;
	int bad = 0, seen = 0;
	DIR *d = opendir(path);

	while (d && (de = readdir(d))) {
		if (strcmp(de->d_name, "..") == 0)
			continue;
		seen++;
		if (fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || (de->d_type && IFTODT(st.st_mode) != de->d_type))
			bad++;
	}
	printf("%s: %d entries, %d with another type or gone\n", path, seen, bad);
	if (d)
		closedir(d);
}

static void positions(void)
{
	DIR *d = opendir("host/many");
	struct dirent *de;
	int n = 0, rest = 0, again = 0;
	long pos = 0;
	char name[256] = "";

	while ((de = readdir(d))) {
		if (n == 250) {
			pos = telldir(d);
		} else if (n == 251) {
			snprintf(name, sizeof(name), "%s", de->d_name);
		}
		if (n++ > 250)
			rest++;
	}
	seekdir(d, pos);
	de = readdir(d);
	printf("after seekdir the same entry: %d\n", de && strcmp(de->d_name, name) == 0);
	for (again = 1; readdir(d);)
		again++;
	printf("as many: %d\n", again == rest);
	rewinddir(d);
	for (again = 0; readdir(d);)
		again++;
	printf("after rewinddir as many: %d\n", again == n);
	closedir(d);
}

static void half_way(void)
{
	DIR *d = opendir("host/many");
	struct dirent *de;
	int removed = 0, seen_twice = 0;
	static char seen[2000];

	/* remove each as it is seen: nothing may be left at the end */
	while ((de = readdir(d))) {
		int i;

		if (de->d_name[0] == '.')
			continue;
		if (sscanf(de->d_name, "n%d", &i) == 1 && i < 2000 && seen[i]++)
			seen_twice++;
		if (unlinkat(dirfd(d), de->d_name, 0) == 0)
			removed++;
	}
	closedir(d);
	printf("removed %d, seen twice %d\n", removed, seen_twice);
	SHOW(rmdir("host/many"));
}

/* getdents64 into small and odd buffers; the position in the open file */
static void raw(void)
{
	char buf[1024];
	int fd = open("moved", O_RDONLY | O_DIRECTORY), copy, total = 0;
	long n;

	SHOW(syscall(SYS_getdents64, fd, buf, 1));
	SHOW(syscall(SYS_getdents64, 77, buf, sizeof(buf)));
	SHOW_OK(syscall(SYS_getdents64, fd, buf, 48));
	copy = dup(fd);
	while ((n = syscall(SYS_getdents64, copy, buf, 64)) > 0)
		total++;
	printf("ended with %ld, some %d\n", n, total > 0);
	SHOW(syscall(SYS_getdents64, fd, buf, sizeof(buf)));
	SHOW(lseek(copy, 0, SEEK_SET));
	SHOW_OK(syscall(SYS_getdents64, fd, buf, sizeof(buf)) > 0 ? 0 : -1);
	pid_t pid = fork();

	if (pid == 0) {
		lseek(fd, 0, SEEK_SET);
		while (syscall(SYS_getdents64, fd, buf, sizeof(buf)) > 0)
			;
		_exit(0);
	}
	guest_wait(pid);
	SHOW(syscall(SYS_getdents64, fd, buf, sizeof(buf)));
	int file = open("moved/b", O_RDONLY);

	SHOW(syscall(SYS_getdents64, file, buf, sizeof(buf)));
	/* a removed directory */
	mkdir("temporary", 0755);
	fd = open("temporary", O_RDONLY);
	rmdir("temporary");
	SHOW(syscall(SYS_getdents64, fd, buf, sizeof(buf)));
	SHOW(read(fd, buf, 1));
}

int main(void)
{
	mixtures();
	numbers("host");
	numbers("host/many");
	numbers("moved");
	positions();
	half_way();
	raw();
	return 0;
}

/* mmap, shared and private, of host files and after copy-up; writes through a map reach the file. */
#include "guest.h"
#include <sys/mman.h>

int main(void)
{
	char buf[16] = "";
	char *a, *b;
	int fd, fd2;

	fd = open("host/f1", O_RDWR);
	SHOW_OK((a = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED ? -1 : 0);
	memcpy(a, "MAPPED", 6);
	SHOW(msync(a, 4096, MS_SYNC));
	guest_cat("host/f1");
	fd2 = open("host/f1", O_RDWR);
	SHOW_OK((b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd2, 0)) == MAP_FAILED ? -1 : 0);
	b[0] = 'X';
	printf("%.6s\n", a);
	fflush(stdout);
	pid_t pid = fork();

	if (pid == 0) {
		a[1] = 'Y';
		_exit(0);
	}
	guest_wait(pid);
	printf("%.6s\n", b);
	SHOW(pread(fd, buf, 6, 0));
	printf("%s\n", buf);
	SHOW(munmap(a, 4096));
	close(fd);
	fd = open("host/f2", O_RDONLY);
	SHOW_OK(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	SHOW_OK((a = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0)) == MAP_FAILED ? -1 : 0);
	a[0] = '!';
	guest_cat("host/f2");
	/* a private map sees what is written later, where it was not changed itself: after reopening, at least */
	close(fd);
	fd = open("new", O_RDWR | O_CREAT, 0600);
	SHOW(ftruncate(fd, 8192));
	SHOW_OK((a = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED ? -1 : 0);
	memcpy(a + 4096, "second page", 11);
	SHOW(pread(fd, buf, 11, 4096));
	printf("%.11s\n", buf);
	SHOW(rename("new", "renamed"));
	a[0] = 'r';
	SHOW(pread(fd, buf, 1, 0));
	SHOW(unlink("renamed"));
	a[1] = 'u';
	SHOW(pread(fd, buf, 2, 0));
	printf("%.2s\n", buf);
	SHOW_OK(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, open("/bin/sh", O_RDONLY), 0) == MAP_FAILED ? -1 : 0);
	SHOW_OK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, open("host", O_RDONLY), 0) == MAP_FAILED ? -1 : 0);
	return 0;
}

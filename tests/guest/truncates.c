/* truncate, ftruncate, fallocate, copy_file_range, sendfile, splice, pwrite, holes, file size limit. */
#include "guest.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/sendfile.h>

static void holes(const char *path)
{
	int fd = open(path, O_RDWR);

	printf("%s: data %jd hole %jd\n", path, (intmax_t)lseek(fd, 0, SEEK_DATA), (intmax_t)lseek(fd, 0, SEEK_HOLE));
	close(fd);
}

int main(void)
{
	struct rlimit rl = { 1000, 1000 };
	off_t from = 0;
	int fd, out, p[2];

	SHOW(truncate("host/f1", 3));
	guest_stat("host/f1");
	SHOW(truncate("host/f1", 3000));
	guest_stat("host/f1");
	SHOW(truncate("host/none", 3));
	SHOW(truncate("host/dir", 3));
	SHOW(truncate("host/readonly", 3));
	SHOW(truncate("host/f2", -1));
	SHOW(truncate("host/link", 1));
	guest_stat("host/f1");
	SHOW(truncate("host/fifo", 1));
	fd = open("host/f2", O_RDONLY);
	SHOW(ftruncate(fd, 1));
	close(fd);
	fd = open("host/f2", O_RDWR);
	SHOW(ftruncate(fd, 100000));
	SHOW(pwrite(fd, "end", 3, 99997));
	SHOW(fallocate(fd, 0x03, 0, 8192));
	SHOW(fallocate(fd, 0, 0, 200000));
	guest_stat("host/f2");
	SHOW(fallocate(77, 0, 0, 1));
	holes("host/sparse");
	guest_stat("host/sparse");
	out = open("copied", O_RDWR | O_CREAT, 0600);
	SHOW(copy_file_range(fd, &from, out, NULL, 50000, 0));
	from = 99997;
	SHOW(sendfile(out, fd, &from, 3));
	guest_stat("copied");
	if (pipe(p) < 0)
		return 1;
	from = 99997;
	SHOW(splice(fd, &from, p[1], NULL, 3, 0));
	SHOW(splice(p[0], NULL, out, NULL, 3, 0));
	guest_stat("copied");
	int host = open("host/f3", O_RDONLY);

	from = 0;
	SHOW(copy_file_range(host, &from, out, NULL, 5, 0));
	SHOW(copy_file_range(out, &from, host, NULL, 5, 0));
	/* FICLONE of what cannot be shared here, and fsync */
	SHOW_OK(fsync(out));
	SHOW_OK(fdatasync(out));
	SHOW(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	SHOW_OK(syncfs(fd));
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &rl);
	SHOW(ftruncate(out, 5000000));
	SHOW(truncate("copied", 5000000));
	SHOW(truncate("host/f4", 5000000));
	fd = open("limited", O_CREAT | O_WRONLY, 0600);
	SHOW(pwrite(fd, "x", 1, 5000));
	/* copy-up of a file larger than the limit is not the guest's writing */
	fd = open("host/large", O_RDWR);
	SHOW(fd);
	SHOW(pwrite(fd, "small", 5, 0));
	guest_stat("host/large");
	return 0;
}

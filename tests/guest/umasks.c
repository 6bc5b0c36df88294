/* umask, per process, changed while running, and default ACLs that take its place. */
#include "guest.h"

static void make(const char *tag)
{
	char name[64];
	int fd;

	printf("-- %s\n", tag);
	snprintf(name, sizeof(name), "%s-file", tag);
	fd = open(name, O_CREAT | O_WRONLY, 0777);
	close(fd);
	guest_stat(name);
	snprintf(name, sizeof(name), "%s-dir", tag);
	mkdir(name, 0777);
	guest_stat(name);
	snprintf(name, sizeof(name), "%s-fifo", tag);
	mkfifo(name, 0666);
	guest_stat(name);
	snprintf(name, sizeof(name), "host/%s-in-host", tag);
	fd = open(name, O_CREAT | O_WRONLY, 0666);
	close(fd);
	guest_stat(name);
	snprintf(name, sizeof(name), "%s-link", tag);
	if (symlink("x", name) < 0)
		perror(name);
	guest_stat(name);
	fd = open("host/dir", O_TMPFILE | O_WRONLY, 0666);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0)
		printf("tmpfile %o\n", st.st_mode);
	close(fd);
}

int main(void)
{
	SHOW(umask(022));
	make("default");
	SHOW(umask(0));
	make("none");
	SHOW(umask(077));
	make("private");
	fflush(stdout);
	pid_t pid = fork();

	if (pid == 0) {
		umask(0777);
		make("child");
		fflush(stdout);
		_exit(0);
	}
	guest_wait(pid);
	make("parent");
	umask(027);
	guest_put("host/acl-default/f", "");
	guest_stat("host/acl-default/f");
	mkdir("host/acl-default/d", 0777);
	guest_stat("host/acl-default/d");
	close(open("host/acl-default/d/deep", O_CREAT | O_WRONLY, 0666));
	guest_stat("host/acl-default/d/deep");
	/* set-group-ID directories hand on their group */
	chmod("host/empty", 02775);
	mkdir("host/empty/d", 0700);
	guest_stat("host/empty/d");
	umask(022);
	guest_put("host/f1", "existing: the mode stays");
	guest_stat("host/f1");
	return 0;
}

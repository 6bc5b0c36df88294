/* chmod, fchmod, fchmodat, chown and friends; what a mode then allows. */
#include "guest.h"

static void owner(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		printf("%s: %s\n", path, strerrorname_np(errno));
	else
		printf("%s: %06o uid %d gid %d\n", path, st.st_mode, st.st_uid == getuid() ? -1 : (int)st.st_uid,
		       st.st_gid == getgid() ? -1 : (int)st.st_gid);
}

static void modes(void)
{
	int fd;

	SHOW(chmod("host/f1", 0640));
	owner("host/f1");
	SHOW(chmod("host/f1", 06755));
	owner("host/f1");
	SHOW(chmod("host/dir", 02751));
	owner("host/dir");
	SHOW(chmod("host/link", 0604));
	owner("host/f1");
	owner("host/link");
	SHOW(fchmodat(AT_FDCWD, "host/f2", 0600, 0));
	SHOW(fchmodat(AT_FDCWD, "host/link", 0600, AT_SYMLINK_NOFOLLOW));
	SHOW(chmod("host/none", 0600));
	SHOW(chmod("host/dangling", 0600));
	SHOW(chmod("host/f1/", 0600));
	SHOW(chmod("host/locked/inside", 0600));
	fd = open("host/f3", O_RDONLY);
	SHOW(fchmod(fd, 0611));
	owner("host/f3");
	close(fd);
	fd = open("host/dir", O_RDONLY);
	SHOW(fchmod(fd, 0711));
	owner("host/dir");
	close(fd);
	SHOW(fchmod(77, 0600));
	SHOW(chmod("host/hard1", 0606));
	owner("host/hard2");
	/* a file opened before keeps its rights, a new open does not get them */
	fd = open("host/f4", O_RDWR);
	SHOW(chmod("host/f4", 0));
	SHOW(write(fd, "x", 1));
	SHOW(open("host/f4", O_RDONLY));
	SHOW(chmod("host/f4", 0600));
	SHOW(mkdir("d", 0700));
	guest_put("d/f", "f");
	SHOW(chmod("d", 0));
	SHOW(access("d/f", F_OK));
	SHOW(open("d/f", O_RDONLY));
	SHOW(rename("d/f", "f"));
	SHOW(unlink("d/f"));
	SHOW(chmod("d", 0500));
	SHOW(unlink("d/f"));
	SHOW(open("d/g", O_CREAT | O_WRONLY, 0600));
	SHOW(chmod("d", 0700));
	SHOW(chmod("host/dir", 0500));
	SHOW(unlink("host/dir/a"));
	SHOW(mkdir("host/dir/new", 0700));
	SHOW(chmod("host/dir", 0300));
	SHOW(open("host/dir", O_RDONLY));
	SHOW(access("host/dir/b", R_OK));
	SHOW(chmod("host/dir", 0755));
}

static void owners(void)
{
	int fd;

	SHOW(chown("host/f5", -1, -1));
	SHOW(chown("host/f5", getuid(), getgid()));
	SHOW(lchown("host/link", getuid(), getgid()));
	SHOW(chown("host/f5", 12345, 23456));
	owner("host/f5");
	SHOW(chown("host/none", getuid(), -1));
	fd = open("host/f6", O_RDONLY);
	SHOW(fchown(fd, getuid(), -1));
	SHOW(fchownat(fd, "", -1, getgid(), AT_EMPTY_PATH));
	SHOW(fchown(77, -1, -1));
	SHOW(fchownat(AT_FDCWD, "host/link", 12345, -1, AT_SYMLINK_NOFOLLOW));
	owner("host/link");
	owner("host/f1");
	/* set-user-ID goes away with a change of owner or a write */
	SHOW(chmod("host/f7", 06777));
	SHOW(chown("host/f7", getuid(), getgid()));
	owner("host/f7");
	SHOW(chmod("host/f8", 04755));
	guest_put("host/f8", "written");
	owner("host/f8");
	SHOW(chown("host/dir", 12345, -1));
	owner("host/dir");
}

int main(void)
{
	modes();
	owners();
	return 0;
}

/* Names: long, odd bytes, slashes and dots; the longest path; ENAMETOOLONG. */
#include "guest.h"

int main(void)
{
	char name[300], path[5000];
	static const char *const odd[] = { "\xff\xfe", "new\nline", " ", "-rf", "caf\xc3\xa9", ".wh.x", "user.overlay", "...", "a\\b", "\x01" };
	int fd;

	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		guest_put(odd[i], "odd");
		SHOW(access(odd[i], F_OK));
		snprintf(path, sizeof(path), "host/dir/%s", odd[i]);
		SHOW(rename(odd[i], path));
		SHOW(open(path, O_RDWR) >= 0 ? 0 : -1);
		if (i % 2)
			SHOW(unlink(path));
	}
	memset(name, 'n', sizeof(name));
	name[255] = 0;
	guest_put(name, "long");
	SHOW(access(name, F_OK));
	snprintf(path, sizeof(path), "host/dir/%s", name);
	SHOW(rename(name, path));
	SHOW(unlink(path));
	name[255] = 'n';
	name[256] = 0;
	SHOW(open(name, O_CREAT | O_WRONLY, 0600));
	SHOW(mkdir(name, 0700));
	SHOW(access(name, F_OK));
	SHOW(symlink("x", name));
	snprintf(path, sizeof(path), "host/none/%s", name);
	SHOW(access(path, F_OK));
	/* a path of 4095 bytes works, one more does not */
	memset(path, '/', sizeof(path));
	memcpy(path, ".", 1);
	memcpy(path + 4095 - 7, "host/f1", 7);
	path[4095] = 0;
	SHOW(access(path, F_OK));
	SHOW(fd = open(path, O_RDWR));
	close(fd);
	memset(path, '/', 4096);
	memcpy(path, ".", 1);
	memcpy(path + 4096 - 7, "host/f1", 7);
	path[4096] = 0;
	SHOW(access(path, F_OK));
	SHOW(open(path, O_RDONLY));
	SHOW(rename(path, "x"));
	SHOW(access("host/f1", F_OK));
	SHOW(access("host//dir///a", F_OK));
	SHOW(access("host/./dir/./a", F_OK));
	SHOW(access("./././host", F_OK));
	SHOW(access("/../../etc/passwd", F_OK));
	SHOW(mkdir(".", 0755));
	SHOW(mkdir("..", 0755));
	SHOW(rmdir(".."));
	SHOW(unlink(".."));
	SHOW(unlink("/"));
	return 0;
}

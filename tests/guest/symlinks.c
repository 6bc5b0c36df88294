/* Symbolic links: chains, loops, 40 at most, absolute and relative, through renamed and replaced directories. */
#include "guest.h"

int main(void)
{
	char name[64], target[4200], long_target[4100];
	char buf[64];

	guest_start();
	guest_cat("host/link");
	guest_cat("host/dirlink/a");
	guest_cat("host/dirlink/../f1");
	SHOW(open("host/loop1", O_RDONLY));
	SHOW(open("host/loop1", O_RDONLY | O_CREAT, 0600));
	SHOW(open("host/loop1/x", O_RDONLY));
	SHOW(unlink("host/loop1"));
	for (int i = 0; i < 45; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		snprintf(target, sizeof(target), i ? "c%d" : "host/f2", i - 1);
		if (symlink(target, name) < 0)
			perror(name);
	}
	SHOW(open("c38", O_RDONLY) >= 0 ? 0 : -1);
	SHOW(open("c39", O_RDONLY) >= 0 ? 0 : -1);
	SHOW(open("c40", O_RDONLY) >= 0 ? 0 : -1);
	SHOW(open("c41", O_RDONLY) >= 0 ? 0 : -1);
	SHOW(open("c44", O_RDONLY) >= 0 ? 0 : -1);
	SHOW(symlink("self", "self"));
	SHOW(access("self", F_OK));
	snprintf(target, sizeof(target), "%s/host/dir", guest_top);
	SHOW(symlink(target, "absolute"));
	guest_cat("absolute/a");
	guest_put("absolute/new", "through an absolute link");
	guest_cat("host/dir/new");
	/* links to what is not there yet; created through */
	SHOW(symlink("later/file", "early"));
	SHOW(open("early", O_CREAT | O_WRONLY, 0600));
	SHOW(mkdir("later", 0755));
	SHOW(open("early", O_CREAT | O_WRONLY, 0600) >= 0 ? 0 : -1);
	guest_stat("later/file");
	SHOW(symlink("../../host/f3", "host/dir/up"));
	SHOW(access("host/dir/up", F_OK));
	SHOW(symlink("../f3", "host/dir/up1"));
	guest_cat("host/dir/up1");
	SHOW(rename("host/dir", "later/dir"));
	SHOW(access("later/dir/up1", F_OK));
	guest_cat("absolute/a");
	SHOW(symlink("../later/dir", "host/dir"));
	guest_cat("host/dir/a");
	guest_cat("host/dirlink/a");
	guest_cat("absolute/b");
	SHOW(rmdir("host/dir"));
	SHOW(rmdir("host/dir/"));
	SHOW(mkdir("host/dir/x", 0755));
	SHOW(access("later/dir/x", F_OK));
	SHOW(symlink(".", "dot"));
	SHOW(access("dot/dot/dot/host/f1", F_OK));
	SHOW(symlink("/", "root"));
	SHOW(access("root/etc/passwd", F_OK));
	SHOW(symlink("host/f1/", "slash"));
	SHOW(access("slash", F_OK));
	memset(long_target, 'x', sizeof(long_target));
	long_target[4096] = 0;
	SHOW(symlink(long_target, "too-long"));
	long_target[4095] = 0;
	SHOW(symlink(long_target, "long"));
	SHOW(readlink("long", target, sizeof(target)));
	SHOW(access("long", F_OK));
	SHOW(readlink("absolute", buf, 5));
	SHOW(readlink("root", buf, sizeof(buf)));
	SHOW(readlink("none", buf, sizeof(buf)));
	SHOW(readlink("host/f1/x", buf, sizeof(buf)));
	return 0;
}

/* rename, renameat2: files and directories of the host and of the box, in all mixtures. */
#include "guest.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif

static void files(void)
{
	SHOW(rename("host/f1", "host/g1"));
	guest_stat("host/f1");
	guest_cat("host/g1");
	SHOW(rename("host/f1", "x"));
	SHOW(rename("host/f2", "host/f3"));
	guest_cat("host/f3");
	SHOW(rename("host/f4", "moved-out"));
	guest_put("made", "made here");
	SHOW(rename("made", "host/f5"));
	guest_cat("host/f5");
	SHOW(rename("host/f6", "host/dir"));
	SHOW(rename("host/dir", "host/f6"));
	SHOW(rename("host/f6", "host/f6"));
	SHOW(rename("host/hard1", "host/hard2"));
	guest_stat("host/hard1");
	SHOW(rename("host/link", "host/newlink"));
	guest_stat("host/newlink");
	SHOW(rename("host/newlink", "host/f7"));
	guest_stat("host/f7");
	SHOW(rename("host/none", "y"));
	SHOW(rename("host/f8", "host/none/y"));
	SHOW(rename("host/f8", "host/f8x/"));
	SHOW(rename("host/f8/", "host/f8x"));
	SHOW(rename("", "y"));
	SHOW(rename("host/f8", ""));
	SHOW(rename("host/f9", "host/dangling"));
	guest_stat("host/dangling");
	SHOW(rename("host/fifo", "host/fifo2"));
	guest_stat("host/fifo2");
}

static void directories(void)
{
	SHOW(rename("host/dir", "host/dir/sub/inside-itself"));
	SHOW(rename("host/dir", "host/renamed"));
	guest_stat("host/dir");
	guest_cat("host/renamed/a");
	guest_cat("host/renamed/sub/deep");
	guest_cat("host/dir/a");
	guest_put("host/renamed/a", "changed after");
	guest_put("host/renamed/fresh", "new");
	SHOW(unlink("host/renamed/b"));
	SHOW(rename("host/renamed", "again"));
	guest_cat("again/a");
	guest_stat("again/b");
	guest_cat("again/fresh");
	guest_cat("again/sub/deep");
	SHOW(rename("again/sub", "host/dir"));
	guest_cat("host/dir/deep");
	SHOW(mkdir("box", 0755));
	guest_put("box/x", "x");
	SHOW(rename("box", "host/empty"));
	guest_cat("host/empty/x");
	SHOW(rename("host/dir", "host/empty"));
	SHOW(rename("host/many", "host/more"));
	guest_stat("host/more/n100");
	SHOW(mkdir("host/many", 0700));
	guest_stat("host/many/n100");
	SHOW(rename("host/more/n100", "host/many/n100"));
	SHOW(rename("host/more", "host/many"));
	SHOW(rename("host/many/", "host/slash/"));
	guest_stat("host/slash/n100");
	SHOW(rename(".", "host/dot"));
	SHOW(rename("host/slash/.", "host/dot"));
	SHOW(rename("host/slash/..", "host/dot"));
	SHOW(rename("host/dirlink", "host/dirlink2"));
	guest_stat("host/dirlink2");
}

static void flags(void)
{
	guest_put("p", "p");
	guest_put("q", "q");
	SHOW(renameat2(AT_FDCWD, "p", AT_FDCWD, "q", RENAME_NOREPLACE));
	SHOW(renameat2(AT_FDCWD, "p", AT_FDCWD, "r", RENAME_NOREPLACE));
	SHOW(renameat2(AT_FDCWD, "r", AT_FDCWD, "q", RENAME_EXCHANGE));
	guest_cat("r");
	guest_cat("q");
	SHOW(renameat2(AT_FDCWD, "r", AT_FDCWD, "none", RENAME_EXCHANGE));
	SHOW(renameat2(AT_FDCWD, "host/script", AT_FDCWD, "q", RENAME_EXCHANGE));
	guest_cat("host/script");
	SHOW(renameat2(AT_FDCWD, "host/sticky", AT_FDCWD, "again", RENAME_EXCHANGE));
	guest_cat("host/sticky/a");
	SHOW(renameat2(AT_FDCWD, "host/sticky", AT_FDCWD, "r", RENAME_EXCHANGE));
	guest_stat("host/sticky");
	guest_cat("r/fresh");
	SHOW(renameat2(AT_FDCWD, "r", AT_FDCWD, "q", 8 | 16));
	SHOW(renameat2(AT_FDCWD, "r", AT_FDCWD, "q", RENAME_NOREPLACE | RENAME_EXCHANGE));
}

static void by_descriptor(void)
{
	int a = open("r", O_RDONLY | O_DIRECTORY), b = open("host", O_PATH | O_DIRECTORY);

	SHOW(renameat(a, "fresh", b, "by-fd"));
	guest_cat("host/by-fd");
	SHOW(renameat(b, "by-fd", a, "../back"));
	guest_cat("back");
	SHOW(renameat(77, "x", a, "y"));
	/* the name changes while it is open */
	int fd = open("back", O_RDWR);

	SHOW(rename("back", "forth"));
	SHOW(write(fd, "open", 4));
	guest_cat("forth");
	SHOW(rename("r", "r2"));
	SHOW(faccessat(a, "a", F_OK, 0));
	SHOW(openat(a, "made-after-rename", O_WRONLY | O_CREAT, 0600));
	guest_stat("r2/made-after-rename");
}

int main(void)
{
	files();
	directories();
	flags();
	by_descriptor();
	return 0;
}

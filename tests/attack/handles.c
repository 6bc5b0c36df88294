/* Files by handle: made of a path or descriptor, or made up from an inode number, and opened for writing or run. */
#include "attack.h"

#include <linux/magic.h>
#include <sys/vfs.h>

struct handle {
	unsigned bytes;
	int type;
	unsigned char data[128];
};

static bool natively_any;

static void by_handle(int mount_fd, struct handle *h)
{
	static const int flags[] = { O_RDWR, O_WRONLY | O_TRUNC, O_RDWR | O_NOFOLLOW | O_CLOEXEC, O_RDONLY, O_PATH };

	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
		int fd = (int)TRY(syscall(SYS_open_by_handle_at, mount_fd, h, flags[i]));

		if (fd < 0)
			continue;
		natively_any = true;
		TRY(write(fd, "attack", 6));
		TRY(fchmod(fd, 0611));
		TRY(fchmodat(fd, "file", 0611, 0));
		TRY(unlinkat(fd, "file", 0));
		TRY(openat(fd, "made", O_WRONLY | O_CREAT, 0644));
		if (!getenv("ATTACK_NATIVE"))
			reached("a file by its handle");
		close(fd);
	}
}

/* ext2's and ext4's handles: inode and generation; 0 is taken for any */
static void made_up(int mount_fd, const char *path)
{
	struct handle h = { .bytes = 8, .type = 1 };
	struct stat st;
	uint32_t words[2] = { 0, 0 };

	if (stat(path, &st) < 0)
		return;
	words[0] = (uint32_t)st.st_ino;
	memcpy(h.data, words, sizeof words);
	by_handle(mount_fd, &h);
	h.type = 0x81;
	h.bytes = 12;           /* tmpfs: generation, inode, upper half */
	memcpy(h.data + 4, words, 4);
	by_handle(mount_fd, &h);
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "file", "private", "large", "program", "dir", "noted", "link" };
	/* AT_HANDLE_MNT_ID_UNIQUE, AT_HANDLE_FID, AT_HANDLE_CONNECTABLE */
	static const int flags[] = { 0, AT_SYMLINK_FOLLOW, 0x001, 0x200, 0x002, AT_EMPTY_PATH };
	int mounts[4];

	attack_begin(argc, argv);
	mounts[0] = open(attack_prey, O_RDONLY);
	mounts[1] = open(prey("file"), O_RDONLY);
	mounts[2] = open(prey("dir"), O_PATH | O_DIRECTORY);    /* never one of another file system: the numbers would mean other files */
	mounts[3] = AT_FDCWD;
	if (chdir(attack_prey) < 0)
		return 1;
	for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
		int fd = open(prey(names[n]), O_RDONLY);

		for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
			struct handle h = { .bytes = sizeof h.data };
			uint64_t id;
			bool by_fd = flags[i] & AT_EMPTY_PATH;

			if (TRY(syscall(SYS_name_to_handle_at, by_fd ? fd : AT_FDCWD, by_fd ? "" : prey(names[n]), &h, &id, flags[i])) < 0)
				continue;
			for (size_t m = 0; m < 4; m++)
				by_handle(mounts[m], &h);
		}
		for (size_t m = 0; m < 4; m++)
			made_up(mounts[m], prey(names[n]));
		close(fd);
	}
	if (!natively_any)
		attack_harmless("without CAP_DAC_READ_SEARCH no handle can be opened");
	return attack_end();
}

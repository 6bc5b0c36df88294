/* landlock.c - building the rule set by raw system calls.
 *
 * The constants are our own: the program is built with headers as old as Linux 6.1's and runs on kernels that know more.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/fd.h"
#include "landlock.h"
#include "table.h"

/* File rights, by the ABI that brought them. */
enum {
	RIGHT_EXECUTE = 1 << 0,
	RIGHT_WRITE_FILE = 1 << 1,
	RIGHT_READ_FILE = 1 << 2,
	RIGHT_READ_DIR = 1 << 3,
	RIGHTS_ABI_1 = (1 << 13) - 1, /* the above, and the removing and making of every type */
	RIGHT_REFER = 1 << 13,        /* 2: not handled (before: not known), links and renames between directories fail always */
	RIGHT_TRUNCATE = 1 << 14,     /* 3 */
	RIGHT_IOCTL_DEV = 1 << 15,    /* 5 */
	RIGHT_RESOLVE_UNIX = 1 << 16, /* 9: sockets made outside the domain */
};
enum {
	ABI_REFER = 2,
	ABI_TRUNCATE = 3,
	ABI_IOCTL_DEV = 5,
	ABI_SCOPES = 6,
	ABI_RESOLVE_UNIX = 9,
};
enum { SCOPE_ABSTRACT_UNIX = 1 << 0, SCOPE_SIGNAL = 1 << 1 };
enum { CREATE_VERSION = 1 << 0 };
enum { RULE_PATH_BENEATH = 1 };

/* As the kernel has them; it takes a longer struct than it knows as long as the rest is zero. */
struct ruleset_attr {
	uint64_t handled_fs;
	uint64_t handled_net;
	uint64_t scoped;
};
struct path_attr {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

/* A device that any program may write to without leaving a trace on the host. */
static const char *const devices[] = {
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts",
};
#define DEVICE_RIGHTS (RIGHT_READ_FILE | RIGHT_WRITE_FILE | RIGHT_TRUNCATE | RIGHT_IOCTL_DEV)

int landlock_abi(void)
{
	long abi = syscall(NR_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
	return abi < 0 ? -errno : (int)abi;
}

bool landlock_has_scopes(int abi)
{
	return abi >= ABI_SCOPES;
}

static uint64_t handled_rights(int abi)
{
	uint64_t rights = RIGHTS_ABI_1;
	if (abi >= ABI_REFER)
		rights |= RIGHT_REFER;
	if (abi >= ABI_TRUNCATE)
		rights |= RIGHT_TRUNCATE;
	if (abi >= ABI_IOCTL_DEV)
		rights |= RIGHT_IOCTL_DEV;
	if (abi >= ABI_RESOLVE_UNIX)
		rights |= RIGHT_RESOLVE_UNIX;
	return rights;
}

static int add_path(int ruleset, int fd, uint64_t rights)
{
	struct path_attr attr = { .allowed = rights, .fd = fd };
	if (rights == 0)
		return 0;
	return syscall(NR_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &attr, 0) < 0 ? -errno : 0;
}

static int add_devices(int ruleset, uint64_t handled, struct err *err)
{
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		_cleanup_close_ int fd = open(devices[i], O_PATH | O_CLOEXEC);
		if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
			continue;
		if (fd < 0)
			return err_sys(err, -errno, "Landlock: %s", devices[i]);
		struct stat st;
		if (fstat(fd, &st) < 0)
			return err_sys(err, -errno, "Landlock: %s", devices[i]);
		/* A /dev/null that somebody replaced by a file is the host's file. */
		if (!S_ISCHR(st.st_mode) && !S_ISDIR(st.st_mode))
			continue;
		int r = add_path(ruleset, fd, DEVICE_RIGHTS & handled);
		if (r < 0)
			return err_sys(err, r, "Landlock: %s", devices[i]);
	}
	return 0;
}

static int add_root(int ruleset, struct err *err)
{
	_cleanup_close_ int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, -errno, "Landlock: /");
	int r = add_path(ruleset, fd, RIGHT_EXECUTE | RIGHT_READ_FILE | RIGHT_READ_DIR);
	return r < 0 ? err_sys(err, r, "Landlock: /") : 0;
}

int landlock_build(int abi, const int *trees, size_t n, struct err *err)
{
	if (abi < 0)
		return err_sys(err, abi, "this kernel's Landlock cannot be used");
	struct ruleset_attr attr = { .handled_fs = handled_rights(abi) };
	if (landlock_has_scopes(abi))
		attr.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
	/* Older kernels judge what is beyond their own struct by its being zero, since 5.13. */
	_cleanup_close_ int ruleset = (int)syscall(NR_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return err_sys(err, -errno, "Landlock (ABI %d): making a rule set", abi);
	int r = add_root(ruleset, err);
	if (r == 0)
		r = add_devices(ruleset, attr.handled_fs, err);
	/* Nothing may be written there: root's guests make device nodes in a layer, and a path that goes on to the kernel can be exchanged. */
	uint64_t tree = RIGHT_RESOLVE_UNIX & attr.handled_fs;
	for (size_t i = 0; i < n && r == 0; i++) {
		r = add_path(ruleset, trees[i], tree);
		if (r < 0)
			return err_sys(err, r, "Landlock: the layer's tree");
	}
	return r < 0 ? r : TAKE_FD(ruleset);
}

int landlock_allow_socket(int abi, int ruleset, int fd, struct err *err)
{
	if (abi < ABI_RESOLVE_UNIX)
		return 0;
	int r = add_path(ruleset, fd, RIGHT_RESOLVE_UNIX);
	return r < 0 ? err_sys(err, r, "Landlock: allowing a socket") : 0;
}

int landlock_enforce(int ruleset)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return syscall(NR_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
}

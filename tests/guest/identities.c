/* setuid, setgid, setreuid, setregid, setgroups, setresuid, setresgid, setfsuid, setfsgid and capset: as root they change whose rights count,
 * and whose the files are that are made; others get the kernel's errors. */
#include "guest.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

#define A 12345
#define B 23456

static void see(const char *tag)
{
	char name[64];
	struct stat st;
	int fd;

	snprintf(name, sizeof(name), "open/%s", tag);
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
	if (fd < 0)
		printf("%s: %s\n", name, strerrorname_np(errno));
	else
		close(fd);
	if (stat(name, &st) == 0)
		printf("%s %d:%d\n", name, (int)st.st_uid, (int)st.st_gid);
	SHOW(mkdir("shut/d", 0755));
	SHOW(open("shut/f", O_RDONLY));
	SHOW(open("host/f1", O_WRONLY));
	SHOW(chmod("host/f2", 0640));
	SHOW(chown("host/f3", A, B));
	SHOW(access("host/f1", W_OK));
	SHOW(faccessat(AT_FDCWD, "host/f1", W_OK, AT_EACCESS));
	SHOW(access("host/readonly", R_OK));
	SHOW(access("host/readonly", W_OK));
	SHOW(access("host/dir/sub", W_OK));
	SHOW(access("host/unreadable", R_OK));
	SHOW(faccessat(AT_FDCWD, "host/unreadable", R_OK, AT_EACCESS));
	SHOW(unlink("host/sticky/theirs"));
	SHOW_OK(open("/proc/self/fd", O_RDONLY | O_DIRECTORY));
	SHOW_OK(open("/proc/thread-self/fd", O_RDONLY));
	SHOW(link("host/f4", "open/linked"));
	unlink("open/linked");
	fflush(stdout);
}

static void to_capset(void);

static void in_child(const char *name, void (*fn)(void))
{
	pid_t pid;

	printf("-- %s\n", name);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		fn();
		/* files are root's to root also without capabilities: docs/DIFFERENCES.md */
		if (fn != to_capset)
			see(name);
		_exit(0);
	}
	guest_wait(pid);
}

static void to_setuid(void) { SHOW(setgid(B)); SHOW(setuid(A)); SHOW(setuid(0)); }
static void to_setgid(void) { SHOW(setgid(B)); }
static void to_setreuid(void) { SHOW(setreuid(A, A)); SHOW(setreuid(0, -1)); }
static void to_setreuid_half(void) { SHOW(setreuid(-1, A)); }
static void to_setregid(void) { SHOW(setregid(B, B)); }
static void to_setresuid(void) { SHOW(setresuid(A, A, 0)); SHOW(seteuid(0)); SHOW(setresuid(A, A, A)); }
static void to_setresgid(void) { SHOW(setresgid(B, B, B)); }
static void to_setfsuid(void) { SHOW(setfsuid(A)); SHOW(setfsuid(-1)); }
static void to_setfsgid(void) { SHOW(setfsgid(B)); SHOW(setfsgid(-1)); }
static void to_groups(void)
{
	gid_t list[] = { 4242, B };

	SHOW(setgroups(2, list));
	SHOW(setresgid(A, A, A));
	SHOW(setresuid(A, A, A));
	SHOW(open("shut/group", O_RDONLY));
}
static void to_nobody_again(void)
{
	SHOW(setresuid(A, A, 0));
	SHOW(open("shut/f", O_RDONLY));
	SHOW(seteuid(0));
}
static void to_capset(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { { 0 } };

	SHOW(syscall(SYS_capset, &h, d));
	h.version = 0;
	SHOW(syscall(SYS_capset, &h, d));
	SHOW(syscall(SYS_capset, NULL, d));
}
static void to_itself(void)
{
	SHOW(setuid(getuid()));
	SHOW(setgid(getgid()));
	SHOW(setresuid(-1, -1, -1));
	SHOW(setgroups(0, NULL));
}

int main(void)
{
	umask(022);
	mkdir("open", 0777);
	chmod("open", 0777);
	mkdir("shut", 0755);
	guest_put("shut/f", "not for others");
	guest_put("shut/group", "for a group");
	guest_put("host/sticky/theirs", "another's");
	if (chown("shut/group", 0, 4242) < 0)
		printf("no group is given here\n");
	chmod("shut/f", 0600);
	chmod("shut/group", 0640);
	in_child("itself", to_itself);
	in_child("setuid", to_setuid);
	in_child("setgid", to_setgid);
	in_child("setreuid", to_setreuid);
	in_child("setreuid-half", to_setreuid_half);
	in_child("setregid", to_setregid);
	in_child("setresuid", to_setresuid);
	in_child("setresgid", to_setresgid);
	in_child("setfsuid", to_setfsuid);
	in_child("setfsgid", to_setfsgid);
	in_child("groups", to_groups);
	in_child("again", to_nobody_again);
	in_child("capset", to_capset);
	return 0;
}

/* What processes share by the kernel: keys, and objects below /dev/shm. (System V objects and POSIX queues
 * themselves are shared with the host on purpose: see syscalls.def.)
 */
#include "outsiders.h"

#include <sys/mman.h>

enum { KEY_SESSION = -3, KEY_USER = -4, KEY_USER_SESSION = -5, KEY_THREAD = -1, KEY_PROCESS = -2 };
enum { KEYCTL_JOIN = 1, KEYCTL_REVOKE = 3, KEYCTL_UNLINK = 9, KEYCTL_SEARCH = 10 };

static void keys(void *arg)
{
	static const int rings[] = { KEY_SESSION, KEY_USER, KEY_USER_SESSION, KEY_THREAD, KEY_PROCESS };
	char name[64];

	(void)arg;
	snprintf(name, sizeof name, "attack-%d", (int)getpid());
	for (size_t i = 0; i < sizeof rings / sizeof rings[0]; i++) {
		long key = TRY(syscall(SYS_add_key, "user", name, "x", 1L, rings[i]));

		if (key > 0) {
			reached("a key");
			syscall(SYS_keyctl, KEYCTL_UNLINK, key, rings[i], 0, 0);
		}
		TRY(syscall(SYS_keyctl, KEYCTL_SEARCH, rings[i], "user", name, 0));
		TRY(syscall(SYS_request_key, "user", name, NULL, rings[i]));
	}
	if (TRY(syscall(SYS_keyctl, KEYCTL_JOIN, NULL, 0, 0, 0)) > 0)
		reached("a keyring");
}

/* An object of shared memory by name is a file, and the box's alone. */
static void objects(void)
{
	char name[64], path[80];
	struct stat st;

	snprintf(name, sizeof name, "/attack-object-%d", (int)attack_victim);
	int fd = shm_open(name, O_RDWR | O_CREAT, 0600);
	if (TRY(fd) < 0)
		return;
	TRY(ftruncate(fd, 4096));
	snprintf(path, sizeof path, "/dev/shm%s", name);
	TRY(stat(path, &st));
	TRY(shm_unlink(name));
	close(fd);
}

int main(int argc, char **argv)
{
	attack_begin(argc, argv);
	attack_child(keys, NULL, 5);
	objects();
	return attack_end();
}

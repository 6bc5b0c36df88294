/* What processes share by the kernel: System V memory, semaphores and queues by id and by key, POSIX queues by name, keys, and objects below /dev/shm. */
#include "outsiders.h"

#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

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

static void write_memory(int id)
{
	struct shmid_ds st;
	char *p = shmat(id, NULL, 0);

	if (TRY(p == (void *)-1 ? -1 : 0) == 0)
		strcpy(p, "attacked");
	if (TRY(shmctl(id, IPC_STAT, &st)) == 0) {
		reached("what the kernel tells of memory");
		st.shm_perm.mode = 0600;
		TRY(shmctl(id, IPC_SET, &st));
	}
	TRY(shmctl(id, SHM_LOCK, NULL));
	TRY(shmctl(id, IPC_RMID, NULL));
}

static void use_semaphores(int id)
{
	struct sembuf up = { .sem_op = 1, .sem_flg = IPC_NOWAIT };
	union { int val; void *p; } seven = { .val = 7 };

	TRY(semop(id, &up, 1));
	TRY(semctl(id, 0, SETVAL, seven));
	if (TRY(semctl(id, 0, GETVAL)) >= 0)
		reached("a semaphore's value");
	TRY(syscall(SYS_semtimedop, id, &up, 1, NULL));
}

static void use_queue(int id)
{
	struct { long type; char text[8]; } m = { 1, "attack" };

	TRY(msgsnd(id, &m, sizeof m.text, IPC_NOWAIT));
	if (TRY(msgrcv(id, &m, sizeof m.text, 0, IPC_NOWAIT)) > 0)
		TRY(msgsnd(id, &m, sizeof m.text, IPC_NOWAIT));
	TRY(msgctl(id, IPC_RMID, NULL));
}

static void system_v(void *arg)
{
	key_t key = (key_t)(0x6a000000 | attack_victim);

	(void)arg;
	use_semaphores((int)victim_info("sem"));
	use_semaphores((int)TRY(semget(key, 0, 0)));
	use_queue((int)TRY(msgget(key, 0)));
	use_queue((int)victim_info("msg"));
	write_memory((int)TRY(shmget(key, 0, 0)));
	write_memory((int)victim_info("shm"));
	/* A key taken before its owner comes: whoever asks for it outside must not get the box's. */
	int taken = (int)TRY(shmget(key + 0x10000000, 4096, IPC_CREAT | 0666));
	if (attack_native() && taken >= 0) /* a box takes its own away */
		shmctl(taken, IPC_RMID, NULL);
}

static void named_queues(void *arg)
{
	char name[64], path[80];
	mqd_t q;

	(void)arg;
	snprintf(name, sizeof name, "/attack-victim-%d", (int)attack_victim);
	q = (mqd_t)TRY(mq_open(name, O_RDWR | O_NONBLOCK));
	if (q != (mqd_t)-1)
		TRY(mq_send(q, "attack", 6, 1));
	snprintf(path, sizeof path, "/dev/mqueue%s", name);
	q = (mqd_t)TRY(open(path, O_RDWR | O_NONBLOCK));
	if (q != (mqd_t)-1)
		TRY(mq_send(q, "attack", 6, 1));
	TRY(unlink(path));
	TRY(mq_unlink(name));
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
	attack_child(system_v, NULL, 5);
	attack_child(named_queues, NULL, 5);
	attack_child(keys, NULL, 5);
	objects();
	return attack_end();
}

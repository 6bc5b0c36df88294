/* The guest of ipc_left.sh: makes objects of System V of every kind and mode, asks for each by its key again, and leaves them.
 *
 *     ipc_guest UID: as that user, where it is root. Prints "shm ID", "sem ID" or "msg ID" for all that it got. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

enum { OWNER = 54321 };

/* Somebody else's now, and closed: who made it may remove it still. */
static void give_away(int kind, int id)
{
	union { int val; struct semid_ds *buf; } arg;
	struct shmid_ds shm = { .shm_perm = { .uid = OWNER, .gid = OWNER } };
	struct semid_ds sem = { .sem_perm = { .uid = OWNER, .gid = OWNER } };
	struct msqid_ds msg = { .msg_perm = { .uid = OWNER, .gid = OWNER }, .msg_qbytes = 1024 };

	arg.buf = &sem;
	int r = kind == 0 ? shmctl(id, IPC_SET, &shm) : kind == 1 ? semctl(id, 0, IPC_SET, arg) : msgctl(id, IPC_SET, &msg);
	if (r < 0)
		perror("IPC_SET");
}

int main(int argc, char **argv)
{
	static const char *const kinds[] = { "shm", "sem", "msg" };
	static const int modes[] = { 0600, 0666, 0200, 0 };
	uid_t uid = argc > 1 ? (uid_t)atoi(argv[1]) : 0;

	if (geteuid() == 0 && (setgid(uid) < 0 || setuid(uid) < 0)) {
		perror("setuid");
		return 1;
	}
	for (int i = 0; i < 30; i++) {
		key_t key = (key_t)(0x20000000 | (getpid() & 0xffff) << 8 | i / 2); /* each twice */
		int kind = i / 2 % 3, mode = modes[i / 6 % 4] | IPC_CREAT;
		int id = kind == 0 ? shmget(key, 4096, mode) : kind == 1 ? semget(key, 1, mode) : msgget(key, mode);

		if (id < 0)
			perror(kinds[kind]);
		else
			printf("%s %d\n", kinds[kind], id);
		if (i >= 24 && i % 2 == 1)
			give_away(kind, id);
	}
	return 0;
}

/* System V memory, semaphores and queues, and POSIX queues: shmget, shmat, shmctl, semget, semop, semtimedop, semctl, msgget, msgsnd, msgrcv,
 * msgctl, mq_open and mq_unlink, by key, id and name, between processes. A box has its own of each; what it prints is the same. */
#include "guest.h"

#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <time.h>

#define OTHER 12345

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
};

static key_t key_of(int n)
{
	return (key_t)(0x40000000 | (getpid() & 0xffff) << 8 | n);
}

static void memory(void)
{
	key_t key = key_of(1);
	struct shmid_ds st;
	int id, again;
	char *p, *q;

	SHOW(shmget(key, 4096, 0600));
	SHOW_OK(id = shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0600));
	SHOW(shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0600));
	SHOW(shmget(key, 8192, IPC_CREAT | 0600));
	SHOW_OK(again = shmget(key, 0, 0));
	printf("the same: %d\n", id == again);
	SHOW_OK(p = shmat(id, NULL, 0));
	strcpy(p, "parent");
	fflush(stdout);
	if (fork() == 0) {
		q = shmat(shmget(key, 0, 0), NULL, 0);
		printf("child sees %s\n", q == (void *)-1 ? strerrorname_np(errno) : q);
		if (q != (void *)-1)
			strcpy(q, "child");
		SHOW(shmdt(q));
		_exit(0);
	}
	wait(NULL);
	printf("parent sees %s\n", p);
	SHOW(shmctl(id, IPC_STAT, &st));
	printf("size %zu attached %lu mode %o mine %d\n", st.shm_segsz, st.shm_nattch, st.shm_perm.mode & 07777, st.shm_perm.cuid == geteuid());
	st.shm_perm.mode = 0640;
	SHOW(shmctl(id, IPC_SET, &st));
	SHOW(shmctl(id, IPC_STAT, NULL));
	if (geteuid() == 0) {
		fflush(stdout);
		if (fork() == 0) {
			SHOW(setgid(OTHER));
			SHOW(setuid(OTHER));
			SHOW(shmget(key, 0, 0600));
			SHOW_OK(shmget(key, 0, 0));
			SHOW_OK(shmat(id, NULL, 0));
			SHOW(shmctl(id, IPC_RMID, NULL));
			SHOW_OK(id = shmget(IPC_PRIVATE, 100, 0600));
			SHOW(shmctl(id, IPC_STAT, &st));
			printf("owner %d\n", (int)st.shm_perm.cuid);
			SHOW(shmctl(id, IPC_RMID, NULL));
			_exit(0);
		}
		wait(NULL);
	}
	SHOW(shmctl(id, IPC_RMID, NULL));
	SHOW(shmget(key, 0, 0));
	SHOW_OK(q = shmat(id, NULL, 0));   /* it lives until it is detached */
	SHOW(shmdt(p));
	if (q != (void *)-1)
		SHOW(shmdt(q));
	SHOW_OK(shmat(id, NULL, 0));
	SHOW(shmctl(id, IPC_RMID, NULL));
	SHOW_OK(shmat(-1, NULL, 0));
	SHOW(shmget(IPC_PRIVATE, 0, 0600));
	SHOW_OK(shmctl(0, IPC_INFO, (void *)&st));
	SHOW(shmctl(id, 99, &st));
}

static void semaphores(void)
{
	key_t key = key_of(2);
	struct sembuf up = { .sem_op = 1 }, down = { .sem_op = -1 }, now = { .sem_op = -1, .sem_flg = IPC_NOWAIT };
	const struct timespec soon = { .tv_nsec = 10000000 };
	union semun arg = { .val = 2 };
	struct semid_ds st;
	int id;

	SHOW(semget(key, 1, 0600));
	SHOW(semget(key, -1, IPC_CREAT | 0600));
	SHOW(semget(key, 0, IPC_CREAT | 0600));
	SHOW_OK(id = semget(key, 2, IPC_CREAT | 0600));
	SHOW(semget(key, 3, 0600));
	SHOW(semctl(id, 0, SETVAL, arg));
	SHOW(semctl(id, 0, GETVAL));
	SHOW(semop(id, &down, 1));
	SHOW(semop(id, &down, 1));
	SHOW(semop(id, &now, 1));
	SHOW(semtimedop(id, &down, 1, &soon));
	fflush(stdout);
	if (fork() == 0) {
		usleep(20000);
		_exit(semop(id, &up, 1) < 0);
	}
	int r = semop(id, &down, 1);

	wait(NULL);
	SHOW(r);
	SHOW(semop(id, NULL, 1));
	SHOW(semop(id, &up, 0));
	SHOW(semop(id + 1000000, &up, 1));
	arg.buf = &st;
	SHOW(semctl(id, 0, IPC_STAT, arg));
	printf("%lu semaphores\n", st.sem_nsems);
	SHOW(semctl(id, 0, IPC_RMID));
	SHOW(semctl(id, 0, IPC_RMID));
	SHOW(semget(key, 0, 0));
}

static void queues(void)
{
	struct { long type; char text[32]; } m = { 3, "from the parent" }, got = { 0 };
	key_t key = key_of(3);
	struct msqid_ds st;
	int id;

	SHOW(msgget(key, 0600));
	SHOW_OK(id = msgget(key, IPC_CREAT | 0600));
	SHOW(msgget(key, IPC_CREAT | IPC_EXCL | 0600));
	fflush(stdout);
	if (fork() == 0) {
		id = msgget(key, 0);
		SHOW(msgrcv(id, &got, sizeof got.text, 0, 0));
		printf("%ld %s\n", got.type, got.text);
		_exit(0);
	}
	int r = msgsnd(id, &m, sizeof m.text, 0);

	wait(NULL);
	SHOW(r);
	SHOW(msgrcv(id, &got, sizeof got.text, 0, IPC_NOWAIT));
	SHOW(msgsnd(id, NULL, 8, 0));
	SHOW(msgctl(id, IPC_STAT, &st));
	printf("%lu messages\n", st.msg_qnum);
	SHOW(msgctl(id, IPC_RMID, NULL));
	SHOW(msgsnd(id, &m, sizeof m.text, 0));
	SHOW(msgrcv(-1, &got, sizeof got.text, 0, IPC_NOWAIT));
}

static void named_queues(void)
{
	struct mq_attr attr = { .mq_maxmsg = 4, .mq_msgsize = 64 }, is = { 0 }, wrong = { .mq_maxmsg = -1, .mq_msgsize = 64 };
	char name[64], text[64], longest[400];
	struct stat st;
	unsigned priority = 0;
	mqd_t q, r;

	snprintf(name, sizeof name, "/guest-ipc-%d", getpid());
	mq_unlink(name);
	SHOW(mq_open(name, O_RDWR));
	SHOW(mq_open(name, O_RDWR | O_CREAT, 0600, &wrong));
	umask(027);
	SHOW_OK(q = mq_open(name, O_RDWR | O_CREAT | O_NONBLOCK, 0666, &attr));
	umask(022);
	SHOW(fstat(q, &st));
	printf("mode %o\n", st.st_mode & 07777);
	SHOW(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr));
	SHOW(mq_getattr(q, &is));
	printf("%ld of %ld, %ld\n", is.mq_maxmsg, is.mq_msgsize, is.mq_flags & O_NONBLOCK);
	SHOW(fcntl(q, F_GETFD));
	fflush(stdout);
	if (fork() == 0) {
		SHOW_OK(r = mq_open(name, O_WRONLY));
		SHOW(mq_send(r, "hello", 6, 5));
		SHOW(mq_receive(r, text, sizeof text, NULL));
		_exit(0);
	}
	wait(NULL);
	SHOW(mq_receive(q, text, sizeof text, &priority));
	printf("%s %u\n", text, priority);
	SHOW(mq_receive(q, text, sizeof text, NULL));
	SHOW(mq_unlink(name));
	SHOW(mq_unlink(name));
	SHOW(mq_open(name, O_RDWR));
	SHOW(mq_close(q));
	SHOW(syscall(SYS_mq_open, "", O_RDWR, 0, NULL));
	SHOW(syscall(SYS_mq_open, "a/b", O_RDWR | O_CREAT, 0600, NULL));
	SHOW(syscall(SYS_mq_open, "..", O_RDWR | O_CREAT, 0600, NULL));
	SHOW(syscall(SYS_mq_open, NULL, O_RDWR, 0, NULL));
	SHOW(syscall(SYS_mq_open, "x", O_RDWR | O_CREAT, 0600, (void *)8));
	SHOW(syscall(SYS_mq_unlink, NULL));
	SHOW(syscall(SYS_mq_unlink, ""));
	memset(longest, 'n', sizeof longest);
	longest[0] = '/';
	longest[399] = 0;
	SHOW(mq_open(longest, O_RDWR | O_CREAT, 0600, NULL));
	longest[256] = 0;
	SHOW_OK(q = mq_open(longest, O_RDWR | O_CREAT, 0600, &attr));
	SHOW(mq_unlink(longest));
}

static int get_any(int kind, key_t key, int flags)
{
	return kind == 0 ? shmget(key, 4096, flags) : kind == 1 ? semget(key, 1, flags) : msgget(key, flags);
}

static int remove_any(int kind, int id)
{
	return kind == 0 ? shmctl(id, IPC_RMID, NULL) : kind == 1 ? semctl(id, 0, IPC_RMID) : msgctl(id, IPC_RMID, NULL);
}

/* Objects that others, and some that their own user, may not read are found again by their keys all the same. */
static void unreadable(void)
{
	static const int modes[] = { 0600, 0400, 0200, 0 };
	key_t key = key_of(4);

	if (geteuid() == 0) {
		SHOW(setgid(OTHER));
		SHOW(setuid(OTHER));
	}
	for (int i = 0; i < 12; i++) {
		int kind = i / 4, mode = modes[i % 4], id = get_any(kind, key, IPC_CREAT | mode), again;

		printf("kind %d mode %o\n", kind, mode);
		SHOW_OK(id);
		SHOW_OK(again = get_any(kind, key, IPC_CREAT | mode));
		printf("the same: %d\n", id == again);
		SHOW(get_any(kind, key, IPC_CREAT | IPC_EXCL | mode));
		SHOW_OK(again = get_any(kind, key, 0600));
		SHOW_OK(again = get_any(kind, key, 0));
		printf("the same: %d\n", id == again);
		if (kind == 0)
			SHOW(shmget(key, 8192, 0));
		SHOW(remove_any(kind, id));
		SHOW(get_any(kind, key, 0));
		SHOW(remove_any(kind, id));
	}
}

/* Memory that was removed and is attached has an id still, however much was made and removed since. */
static void cycles(void)
{
	int failed = 0, first = shmget(IPC_PRIVATE, 4096, 0600), id;
	char *p = shmat(first, NULL, 0), *q;
	struct shmid_ds st;

	SHOW(shmctl(first, IPC_RMID, NULL));
	for (int i = 0; i < 70000 && !failed; i++) {
		id = shmget(key_of(5), 4096, IPC_CREAT | IPC_EXCL | 0600);
		failed = id < 0 || shmctl(id, IPC_RMID, NULL) < 0;
	}
	printf("cycles: %s\n", failed ? strerrorname_np(errno) : "done");
	for (int i = 0; i < 1000 && !failed; i++) { /* these are gone when they are detached */
		id = shmget(key_of(5), 4096, IPC_CREAT | IPC_EXCL | 0600);
		q = shmat(id, NULL, 0);
		failed = q == (void *)-1 || shmctl(id, IPC_RMID, NULL) < 0 || shmdt(q) < 0 || shmctl(id, IPC_STAT, &st) == 0 || errno != EINVAL;
	}
	printf("detached: %s\n", failed ? "failed" : "done");
	SHOW(shmctl(first, IPC_STAT, &st));
	printf("attached %lu mode %o\n", st.shm_nattch, st.shm_perm.mode);
	SHOW_OK(q = shmat(first, NULL, 0));
	SHOW(shmdt(q));
	SHOW(shmdt(p));
	SHOW(shmctl(first, IPC_STAT, &st));
	SHOW_OK(shmat(first, NULL, 0));
}

int main(void)
{
	memory();
	semaphores();
	queues();
	named_queues();
	fflush(stdout);
	if (fork() == 0) {
		unreadable();
		exit(0);
	}
	wait(NULL);
	cycles();
	return 0;
}

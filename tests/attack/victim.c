/* victim.c - a process outside the box, for attacks to go at.
 *
 *     victim PREY
 *
 * It holds a writable descriptor of a file, of one in memory and of a pipe; listens on PREY/socket, on PREY/datagrams and on the abstract name
 * "attack-victim-PID"; has System V memory, a semaphore and a queue and a POSIX queue open to everybody (their ids and descriptors stand in
 * PREY/../victim.info, see below); and would be changed by signals, by another priority and by other limits. When its standard input ends it
 * prints what it is now, line by line, all the same in every run where nobody got at it; and takes everything away again.
 *
 * victim.info: one line "pid=N file=FD memfd=FD pipe=FD shm=ID sem=ID msg=ID".
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static volatile sig_atomic_t signals;
static volatile uint64_t memory = 0x5ca1ab1e;   /* memory: for who writes to a process's memory */

static void count(int sig)
{
	(void)sig;
	signals++;
}

static int listen_at(const char *path, int abstract, int type)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int n = snprintf(a.sun_path + abstract, sizeof a.sun_path - (size_t)abstract, "%s", path);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)abstract + (size_t)n)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 8) < 0)) {
		perror(path);
		exit(1);
	}
	return fd;
}

static const char *heard(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0 ? "reached" : "quiet";
}

static void show_file(const char *name, int fd)
{
	char text[64] = "";
	struct stat st;

	if (pread(fd, text, sizeof text - 1, 0) < 0 || fstat(fd, &st) < 0)
		snprintf(text, sizeof text, "%s", strerror(errno));
	else
		printf("%s mode %o size %lld\n", name, st.st_mode & 07777, (long long)st.st_size);
	printf("%s \"%s\" flags %x owner %d\n", name, text, fcntl(fd, F_GETFL), fcntl(fd, F_GETOWN));
}

static int open_all(const char *prey, int *file, int *mem, int pipes[2])
{
	char path[4096];

	snprintf(path, sizeof path, "%s/../victim.file", prey);
	*file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	*mem = memfd_create("victim", 0);
	return *file < 0 || *mem < 0 || pipe(pipes) < 0 || write(*file, "original", 8) != 8 || write(*mem, "original", 8) != 8 ? -1 : 0;
}

int main(int argc, char **argv)
{
	char path[4096], tmp[4096], name[64], text[16];
	int file, mem, pipes[2];

	if (argc != 2 || open_all(argv[1], &file, &mem, pipes) < 0) {
		perror("victim");
		return 1;
	}
	for (int s = 1; s < 32; s++)
		if (s != SIGKILL && s != SIGSTOP && s != SIGCONT && s != SIGSEGV && s != SIGBUS)
			signal(s, count);
	snprintf(name, sizeof name, "attack-victim-%d", getpid());
	if (chdir(argv[1]) < 0)   /* a socket's name is short */
		return 1;
	int stream = listen_at("socket", 0, SOCK_STREAM), datagrams = listen_at("datagrams", 0, SOCK_DGRAM), abstract = listen_at(name, 1, SOCK_STREAM);

	chmod("socket", 0777);
	chmod("datagrams", 0777);
	if (chdir("/") < 0)
		return 1;
	int shm = shmget(IPC_PRIVATE, 4096, 0666 | IPC_CREAT), sem = semget(IPC_PRIVATE, 1, 0666 | IPC_CREAT), msg = msgget(IPC_PRIVATE, 0666 | IPC_CREAT);
	char *shared = shmat(shm, NULL, 0);
	char queue[80];
	snprintf(queue, sizeof queue, "/%s", name);
	mode_t mask = umask(0);
	struct mq_attr small = { .mq_maxmsg = 4, .mq_msgsize = 64 };   /* all queues of a user are bounded together (RLIMIT_MSGQUEUE) */
	mqd_t mq = mq_open(queue, O_RDWR | O_CREAT | O_NONBLOCK, 0666, &small);
	umask(mask);
	if (shared != (char *)-1)
		strcpy(shared, "original");

	snprintf(path, sizeof path, "%s/../victim.info", argv[1]);
	snprintf(tmp, sizeof tmp, "%s/../victim.info.new", argv[1]);
	FILE *f = fopen(tmp, "w");
	if (!f)
		return 1;
	fprintf(f, "pid=%d file=%d memfd=%d pipe=%d shm=%d sem=%d msg=%d memory=%p\n", getpid(), file, mem, pipes[1], shm, sem, msg, (void *)(uintptr_t)&memory);
	fclose(f);
	rename(tmp, path);

	while (read(0, text, sizeof text) != 0)
		;

	struct rlimit nofile, core;
	cpu_set_t cpus;
	struct msqid_ds q;
	struct mq_attr attr = { .mq_curmsgs = -1 };
	getrlimit(RLIMIT_NOFILE, &nofile);
	getrlimit(RLIMIT_CORE, &core);
	sched_getaffinity(0, sizeof cpus, &cpus);
	printf("signals %d\nmemory %llx\n", (int)signals, (unsigned long long)memory);
	printf("nice %d io %ld policy %d cpus %d files %llu core %llu\n", getpriority(PRIO_PROCESS, 0), syscall(SYS_ioprio_get, 1, 0), sched_getscheduler(0),
	       CPU_COUNT(&cpus), (unsigned long long)nofile.rlim_cur, (unsigned long long)core.rlim_cur);
	show_file("file", file);
	show_file("memfd", mem);
	printf("pipe %s\nsocket %s\ndatagrams %s\nabstract %s\n", heard(pipes[0]), heard(stream), heard(datagrams), heard(abstract));
	printf("shm %s\n", shared == (char *)-1 ? "none" : shared);
	printf("sem %d\n", sem < 0 ? -1 : semctl(sem, 0, GETVAL));
	printf("msg %ld\n", msg < 0 || msgctl(msg, IPC_STAT, &q) < 0 ? -1L : (long)q.msg_qnum);
	if (mq != (mqd_t)-1)
		mq_getattr(mq, &attr);
	printf("mq %ld\n", attr.mq_curmsgs);
	if (shm >= 0)
		shmctl(shm, IPC_RMID, NULL);
	if (sem >= 0)
		semctl(sem, 0, IPC_RMID);
	if (msg >= 0)
		msgctl(msg, IPC_RMID, NULL);
	mq_unlink(queue);
	return 0;
}

/* h_ipc.c - see h_ipc.h. */
#include "h_ipc.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/queue.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "h_util.h"
#include "supervisor.h"

#define OBJECTS_MAX 262144 /* of one run, with those that are gone and not noticed yet; the kernel's own bound is 32768 of each kind */

enum ipc_kind { IPC_MEMORY, IPC_SEMAPHORES, IPC_QUEUE, IPC_KINDS };

/* One System V object. */
struct sysv {
	TAILQ_ENTRY(sysv) turn; /* turn: in the queue for sweep() */
	enum ipc_kind kind;
	int id;
	key_t key;              /* key: the guests' name for it; IPC_PRIVATE: none */
	bool removed;           /* removed: memory that lives on while it is attached */
};

/* One POSIX queue: the guests' name for it, and the number in ours. */
struct named {
	char name[NAME_MAX + 1];
	unsigned number;
};

/* The trees are tsearch(3)'s, which stay balanced: whatever keys and names guests choose, finding one is cheap. */
struct ipc_table {
	pthread_mutex_t lock;   /* lock: guards all of it, over the kernel's calls too: a key is looked up and made in one */
	TAILQ_HEAD(sysv_queue, sysv) sysv;
	void *by_id[IPC_KINDS], *by_key[IPC_KINDS]; /* by_key: those that have one */
	void *by_name;          /* by_name: the POSIX queues */
	size_t nsysv, nnamed;
	unsigned last;          /* last: the number of the last queue */
};

struct ipc_table *ipc_table_new(void)
{
	struct ipc_table *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	pthread_mutex_init(&t->lock, NULL);
	TAILQ_INIT(&t->sysv);
	return t;
}

static int order_ids(const void *a, const void *b)
{
	const struct sysv *x = a, *y = b;
	return (x->id > y->id) - (x->id < y->id);
}

static int order_keys(const void *a, const void *b)
{
	const struct sysv *x = a, *y = b;
	return (x->key > y->key) - (x->key < y->key);
}

static int order_names(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	return strcmp(x->name, y->name);
}

/* What is in the tree and equal to what is given; NULL */
static void *find(void *const *tree, const void *like, int (*order)(const void *, const void *))
{
	void *const *node = tfind(like, tree, order);
	return node ? *node : NULL;
}

/* ---- System V ---- */

static struct sysv *find_id(struct ipc_table *t, enum ipc_kind kind, int id)
{
	return find(&t->by_id[kind], &(struct sysv){ .id = id }, order_ids);
}

static struct sysv *find_key(struct ipc_table *t, enum ipc_kind kind, key_t key)
{
	return key == IPC_PRIVATE ? NULL : find(&t->by_key[kind], &(struct sysv){ .key = key }, order_keys);
}

static void forget_key(struct ipc_table *t, struct sysv *o)
{
	if (o->key != IPC_PRIVATE)
		tdelete(o, &t->by_key[o->kind], order_keys);
	o->key = IPC_PRIVATE;
}

static void drop(struct ipc_table *t, struct sysv *o)
{
	forget_key(t, o);
	tdelete(o, &t->by_id[o->kind], order_ids);
	TAILQ_REMOVE(&t->sysv, o, turn);
	t->nsysv--;
	free(o);
}

/* Takes over o, which has an id and a key that no other has. -ENOMEM: it is freed. */
static int note(struct ipc_table *t, struct sysv *o)
{
	TAILQ_INSERT_TAIL(&t->sysv, o, turn);
	t->nsysv++;
	if (tsearch(o, &t->by_id[o->kind], order_ids) && (o->key == IPC_PRIVATE || tsearch(o, &t->by_key[o->kind], order_keys)))
		return 0;
	drop(t, o);
	return -ENOMEM;
}

/* Who owns it, and how large it is: bytes or semaphores. By IPC_STAT, who may not read an object is told nothing (root too, without CAP_IPC_OWNER);
 * by the STAT_ANY commands (Linux 4.17) everybody is told who has the place in the kernel's table that the low bits of an id name. */
static int look_at(const struct sysv *o, struct ipc_perm *ret_perm, uint64_t *ret_size)
{
	union { int val; struct semid_ds *buf; } arg;
	struct shmid_ds shm;
	struct semid_ds sem;
	struct msqid_ds msg;
	struct ipc_perm perm;
	uint64_t size = 0;
	int r;
	switch (o->kind) {
	case IPC_MEMORY:
		r = shmctl(o->id, SHM_STAT_ANY, &shm);
		perm = shm.shm_perm;
		size = shm.shm_segsz;
		break;
	case IPC_SEMAPHORES:
		arg.buf = &sem;
		r = semctl(o->id, 0, SEM_STAT_ANY, arg);
		perm = sem.sem_perm;
		size = sem.sem_nsems;
		break;
	default:
		r = msgctl(o->id, MSG_STAT_ANY, &msg);
		perm = msg.msg_perm;
	}
	if (r < 0)
		return -errno;
	if (r != o->id || (o->removed && !(perm.mode & SHM_DEST))) /* another has its place, or even its id */
		return -EIDRM;
	*ret_perm = perm;
	*ret_size = size;
	return 0;
}

/* For a result of look_at(). All else that may go wrong says nothing of the object. */
static bool is_gone(int r)
{
	return r == -EINVAL || r == -EIDRM;
}

static bool drop_if_gone(struct ipc_table *t, struct sysv *o)
{
	struct ipc_perm perm;
	uint64_t size;
	bool gone = is_gone(look_at(o, &perm, &size));
	if (gone)
		drop(t, o);
	return gone;
}

/* Nobody tells when removed memory is detached, or when somebody outside removes an object. Two of the objects are looked at for each that is made: so
 * those that are gone do not become more than those that are there, and no call takes long. */
static void sweep(struct ipc_table *t)
{
	for (int i = 0; i < 2 && !TAILQ_EMPTY(&t->sysv); i++) {
		struct sysv *o = TAILQ_FIRST(&t->sysv);
		TAILQ_REMOVE(&t->sysv, o, turn);
		TAILQ_INSERT_TAIL(&t->sysv, o, turn);
		drop_if_gone(t, o);
	}
}

static int remove_sysv(const struct sysv *o)
{
	int r = o->kind == IPC_MEMORY       ? shmctl(o->id, IPC_RMID, NULL)
	        : o->kind == IPC_SEMAPHORES ? semctl(o->id, 0, IPC_RMID)
	                                    : msgctl(o->id, IPC_RMID, NULL);
	return r < 0 ? -errno : 0;
}

static int remove_as_guest(const struct sysv *o)
{
	_cleanup_cred_ids_ int ids = cred_ids_begin(false);
	return remove_sysv(o);
}

/* At the end of the run. Whoever made an object may remove it whatever became of it since; root may only with CAP_SYS_ADMIN. */
static void remove_left(const struct sysv *o)
{
	struct ipc_perm perm;
	uint64_t size;
	if (o->removed || remove_sysv(o) != -EPERM || look_at(o, &perm, &size) < 0)
		return;
	const struct cred maker = { .fsuid = perm.cuid, .fsgid = perm.cgid };
	if (cred_assume(&maker) == 0)
		remove_as_guest(o);
	cred_drop();
}

/* The kernel's ipcperms() for who asks by key. */
static bool may_have(const struct ipc_perm *p, int flags)
{
	unsigned asked = (unsigned)(flags >> 6 | flags >> 3 | flags) & 7, mode = p->mode;
	if (cred_is_root())
		return true;
	if (cred_fsuid() == p->cuid || cred_fsuid() == p->uid)
		mode >>= 6;
	else if (cred_in_group(p->cgid) || cred_in_group(p->gid))
		mode >>= 3;
	return !(asked & ~mode);
}

static long make(enum ipc_kind kind, uint64_t size, int flags)
{
	_cleanup_cred_ids_ int ids = cred_ids_begin(false); /* whose it is */
	long r;
	flags |= IPC_CREAT;
	r = kind == IPC_MEMORY       ? syscall(SYS_shmget, IPC_PRIVATE, size, flags)
	    : kind == IPC_SEMAPHORES ? syscall(SYS_semget, IPC_PRIVATE, size, flags)
	                             : syscall(SYS_msgget, IPC_PRIVATE, flags);
	return r < 0 ? -errno : r;
}

static long make_noted(struct ipc_table *t, enum ipc_kind kind, key_t key, uint64_t size, int flags)
{
	sweep(t);
	if (t->nsysv >= OBJECTS_MAX)
		return -ENOSPC;
	struct sysv *o = calloc(1, sizeof *o);
	if (!o)
		return -ENOMEM;
	long id = make(kind, size, flags);
	if (id < 0) {
		free(o);
		return id;
	}
	const struct sysv made = { .kind = kind, .id = (int)id, .key = key };
	struct sysv *before = find_id(t, kind, made.id); /* it is gone, and its id in use again */
	if (before)
		drop(t, before);
	*o = made;
	int r = note(t, o);
	if (r < 0)
		remove_as_guest(&made);
	return r < 0 ? r : id;
}

static long get(struct ipc_table *t, enum ipc_kind kind, key_t key, uint64_t size, int flags)
{
	struct ipc_perm perm;
	uint64_t has;
	struct sysv *o = find_key(t, kind, key);
	int r = o ? look_at(o, &perm, &has) : -ENOENT;
	if (o && is_gone(r)) { /* somebody outside removed it */
		drop(t, o);
		o = NULL;
	}
	if (!o)
		return key == IPC_PRIVATE || flags & IPC_CREAT ? make_noted(t, kind, key, size, flags) : -ENOENT;
	if (flags & IPC_CREAT && flags & IPC_EXCL)
		return -EEXIST;
	if (r < 0)
		return r;
	if (size > has)
		return -EINVAL;
	return may_have(&perm, flags) ? o->id : -EACCES;
}

static int answer_get(struct call *c, struct answer *a, enum ipc_kind kind, uint64_t size, int flags)
{
	struct ipc_table *t = c->sup->ipc;
	pthread_mutex_lock(&t->lock);
	long r = get(t, kind, arg_int(c, 0), size, flags);
	pthread_mutex_unlock(&t->lock);
	return answer_result(a, r);
}

/* Goes on natively when the id is one of this run's (it is in a register). */
static int answer_id(struct call *c, struct answer *a, enum ipc_kind kind)
{
	struct ipc_table *t = c->sup->ipc;
	pthread_mutex_lock(&t->lock);
	struct sysv *o = find_id(t, kind, arg_int(c, 0));
	bool ours = o && !(o->removed && drop_if_gone(t, o));
	pthread_mutex_unlock(&t->lock);
	return ours ? answer_continue(a) : answer_errno(a, EINVAL);
}

static int answer_remove(struct call *c, struct answer *a, enum ipc_kind kind)
{
	struct ipc_table *t = c->sup->ipc;
	pthread_mutex_lock(&t->lock);
	struct sysv *o = find_id(t, kind, arg_int(c, 0));
	int r = o ? remove_as_guest(o) : -EINVAL;
	if (r == 0) {
		forget_key(t, o);
		o->removed = true;
	}
	if (o)
		drop_if_gone(t, o);
	pthread_mutex_unlock(&t->lock);
	return answer_done(a, r);
}

/* info: commands that tell of the whole system, or take a place in the kernel's table in place of an id; nothing is changed by them. */
static int control(struct call *c, struct answer *a, enum ipc_kind kind, int cmd, const int info[4])
{
	for (int i = 0; i < 4; i++)
		if (cmd == info[i])
			return answer_continue(a);
	return cmd == IPC_RMID ? answer_remove(c, a, kind) : answer_id(c, a, kind);
}

int h_shmget(struct call *c, struct answer *a)
{
	return answer_get(c, a, IPC_MEMORY, c->arg[1], arg_int(c, 2));
}
int h_semget(struct call *c, struct answer *a)
{
	/* A negative number of semaphores is the kernel's EINVAL. */
	return arg_int(c, 1) < 0 ? answer_errno(a, EINVAL) : answer_get(c, a, IPC_SEMAPHORES, (uint64_t)arg_int(c, 1), arg_int(c, 2));
}
int h_msgget(struct call *c, struct answer *a)
{
	return answer_get(c, a, IPC_QUEUE, 0, arg_int(c, 1));
}

int h_shmat(struct call *c, struct answer *a)
{
	return answer_id(c, a, IPC_MEMORY);
}
int h_semop(struct call *c, struct answer *a)
{
	return answer_id(c, a, IPC_SEMAPHORES);
}
int h_semtimedop(struct call *c, struct answer *a)
{
	return answer_id(c, a, IPC_SEMAPHORES);
}
int h_msgsnd(struct call *c, struct answer *a)
{
	return answer_id(c, a, IPC_QUEUE);
}
int h_msgrcv(struct call *c, struct answer *a)
{
	return answer_id(c, a, IPC_QUEUE);
}

int h_shmctl(struct call *c, struct answer *a)
{
	static const int info[4] = { SHM_INFO, SHM_STAT, SHM_STAT_ANY, IPC_INFO };
	return control(c, a, IPC_MEMORY, arg_int(c, 1), info);
}
int h_semctl(struct call *c, struct answer *a)
{
	static const int info[4] = { SEM_INFO, SEM_STAT, SEM_STAT_ANY, IPC_INFO };
	return control(c, a, IPC_SEMAPHORES, arg_int(c, 2), info);
}
int h_msgctl(struct call *c, struct answer *a)
{
	static const int info[4] = { MSG_INFO, MSG_STAT, MSG_STAT_ANY, IPC_INFO };
	return control(c, a, IPC_QUEUE, arg_int(c, 1), info);
}

/* ---- POSIX queues ---- */

/* The name as the system call has it, without the slash of mq_open(3). */
static int read_name(const struct call *c, uint64_t addr, char ret[static NAME_MAX + 1])
{
	int r = guest_read_string(c, addr, ret, NAME_MAX + 1);
	if (r < 0)
		return r;
	if (!*ret)
		return -ENOENT;
	return strchr(ret, '/') || !strcmp(ret, ".") || !strcmp(ret, "..") ? -EACCES : 0;
}

static struct named *find_name(struct ipc_table *t, const char *name)
{
	struct named like;
	snprintf(like.name, sizeof like.name, "%s", name);
	return find(&t->by_name, &like, order_names);
}

static void drop_name(struct ipc_table *t, struct named *n)
{
	tdelete(n, &t->by_name, order_names);
	t->nnamed--;
	free(n);
}

static struct named *note_name(struct ipc_table *t, const char *name)
{
	struct named *n = calloc(1, sizeof *n);
	if (!n)
		return NULL;
	snprintf(n->name, sizeof n->name, "%s", name);
	if (!tsearch(n, &t->by_name, order_names)) {
		free(n);
		return NULL;
	}
	t->nnamed++;
	return n;
}

static void real_name(unsigned number, char ret[static 40])
{
	snprintf(ret, 40, "cowbox-%d-%u", (int)getpid(), number);
}

static void remove_named(void *p)
{
	struct named *n = p;
	char name[40];
	real_name(n->number, name);
	syscall(SYS_mq_unlink, name);
	free(n);
}

static int open_real(unsigned number, int flags, mode_t mode, const struct mq_attr *attr)
{
	_cleanup_cred_ids_ int ids = cred_ids_begin(false);
	char name[40];
	real_name(number, name);
	int fd = (int)syscall(SYS_mq_open, name, flags | O_CLOEXEC, mode, attr);
	return fd < 0 ? -errno : fd;
}

/* A new one, of a number that nobody has: another cowbox of our pid may have ended without taking its queues away. */
static int make_queue(struct ipc_table *t, const char *name, int flags, mode_t mode, const struct mq_attr *attr)
{
	int fd = -EEXIST;
	if (t->nnamed >= OBJECTS_MAX)
		return -ENOSPC;
	struct named *n = note_name(t, name);
	if (!n)
		return -ENOMEM;
	for (int tries = 0; fd == -EEXIST && tries < 1000; tries++)
		fd = open_real(n->number = ++t->last, flags | O_CREAT | O_EXCL, mode, attr);
	if (fd < 0)
		drop_name(t, n);
	else
		fchmod(fd, mode); /* our umask is not the guest's */
	return fd;
}

static int open_queue(struct ipc_table *t, const char *name, int flags, mode_t mode, const struct mq_attr *attr)
{
	struct named *n = find_name(t, name);
	int fd = n ? open_real(n->number, flags & ~O_CREAT, mode, attr) : -ENOENT;
	if (n && fd == -ENOENT) { /* somebody outside removed it */
		drop_name(t, n);
		n = NULL;
	}
	if (n && flags & O_CREAT && flags & O_EXCL) {
		if (fd >= 0)
			close(fd);
		return -EEXIST;
	}
	return !n && flags & O_CREAT ? make_queue(t, name, flags, mode, attr) : fd;
}

int h_mq_open(struct call *c, struct answer *a)
{
	struct ipc_table *t = c->sup->ipc;
	char name[NAME_MAX + 1];
	struct mq_attr given;
	int flags = arg_int(c, 1) & (O_ACCMODE | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	const struct mq_attr *attr = flags & O_CREAT && c->arg[3] ? &given : NULL;
	struct caller who;
	int r = attr ? guest_read(c, c->arg[3], &given, sizeof given) : 0;
	if (r >= 0)
		r = read_name(c, c->arg[0], name);
	if (r < 0)
		return answer_errno(a, r);
	guest_caller(c, true, &who);
	pthread_mutex_lock(&t->lock);
	r = open_queue(t, name, flags, (mode_t)c->arg[2] & 0777 & ~who.umask, attr);
	pthread_mutex_unlock(&t->lock);
	return r < 0 ? answer_errno(a, r) : answer_fd(a, r, true);
}

int h_mq_unlink(struct call *c, struct answer *a)
{
	struct ipc_table *t = c->sup->ipc;
	char name[NAME_MAX + 1], real[40];
	int r = read_name(c, c->arg[0], name);
	if (r < 0)
		return answer_errno(a, r);
	pthread_mutex_lock(&t->lock);
	struct named *n = find_name(t, name);
	r = n ? 0 : -ENOENT;
	if (n) {
		_cleanup_cred_ids_ int ids = cred_ids_begin(false);
		real_name(n->number, real);
		r = syscall(SYS_mq_unlink, real) < 0 ? -errno : 0;
	}
	if (n && (r == 0 || r == -ENOENT))
		drop_name(t, n);
	pthread_mutex_unlock(&t->lock);
	return answer_done(a, r);
}

void ipc_table_free(struct ipc_table *t)
{
	struct sysv *o;
	if (!t)
		return;
	while ((o = TAILQ_FIRST(&t->sysv))) {
		remove_left(o);
		drop(t, o);
	}
	tdestroy(t->by_name, remove_named);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

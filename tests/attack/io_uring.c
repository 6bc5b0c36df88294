/* io_uring: its operations name paths, and pass no filter. */
#include "attack.h"

#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <sys/mman.h>

#define OFFSETS_MMAP 0x10000

struct ring {
	int fd;
	unsigned *tail, *mask, *array;
	struct io_uring_sqe *sqes;
	unsigned *cq_head, *cq_tail, *cq_mask;
	struct io_uring_cqe *cqes;
};

static long setup_errno = ENOSYS;

static bool ring_open(struct ring *r, unsigned flags)
{
	struct io_uring_params p = { .flags = flags };
	char *sq, *cq;

	memset(r, 0, sizeof *r);
	r->fd = (int)TRY(syscall(SYS_io_uring_setup, 8, &p));
	if (r->fd < 0) {
		setup_errno = errno;
		return false;
	}
	sq = mmap(NULL, OFFSETS_MMAP, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, (off_t)IORING_OFF_SQ_RING);
	if (sq == MAP_FAILED)
		sq = mmap(NULL, p.sq_off.array + p.sq_entries * sizeof(unsigned), PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, (off_t)IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, (off_t)IORING_OFF_CQ_RING);
	r->sqes = mmap(NULL, p.sq_entries * sizeof *r->sqes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, (off_t)IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || r->sqes == MAP_FAILED) {
		close(r->fd);
		return false;
	}
	r->tail = (unsigned *)(void *)(sq + p.sq_off.tail);
	r->mask = (unsigned *)(void *)(sq + p.sq_off.ring_mask);
	r->array = (unsigned *)(void *)(sq + p.sq_off.array);
	r->cq_head = (unsigned *)(void *)(cq + p.cq_off.head);
	r->cq_tail = (unsigned *)(void *)(cq + p.cq_off.tail);
	r->cq_mask = (unsigned *)(void *)(cq + p.cq_off.ring_mask);
	r->cqes = (struct io_uring_cqe *)(void *)(cq + p.cq_off.cqes);
	return true;
}

/* Makes one request and gives its result. */
static int submit(struct ring *r, const struct io_uring_sqe *sqe)
{
	unsigned tail = *r->tail, at = tail & *r->mask;

	r->sqes[at] = *sqe;
	r->array[at] = at;
	__atomic_store_n(r->tail, tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, r->fd, 1, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_SQ_WAKEUP, NULL, 0) < 0)
		return -errno;
	unsigned head = *r->cq_head;

	if (head == __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE))
		return -EAGAIN;
	int result = r->cqes[head & *r->cq_mask].res;

	__atomic_store_n(r->cq_head, head + 1, __ATOMIC_RELEASE);
	errno = result < 0 ? -result : 0;
	return result;
}

static uint64_t ptr(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static struct io_uring_sqe at_path(unsigned char op, const char *path, uint32_t len, uint32_t flags)
{
	return (struct io_uring_sqe){ .opcode = op, .fd = AT_FDCWD, .addr = ptr(path), .len = len, .open_flags = flags };
}

static struct io_uring_sqe two_paths(unsigned char op, const char *from, const char *to)
{
	struct io_uring_sqe s = at_path(op, from, (uint32_t)AT_FDCWD, 0);

	s.addr2 = ptr(to);
	return s;
}

static void operations(void *arg)
{
	struct open_how how = { .flags = O_WRONLY | O_CREAT, .mode = 0644 };
	struct io_uring_sqe s;
	struct ring r;

	if (!ring_open(&r, *(const unsigned *)arg))
		_exit(1);
	s = at_path(IORING_OP_OPENAT, prey("private"), 0, O_RDWR | O_TRUNC);
	int fd = (int)TRY(submit(&r, &s));
	s = (struct io_uring_sqe){ .opcode = IORING_OP_WRITE, .fd = fd, .addr = ptr("attack"), .len = 6 };
	TRY(submit(&r, &s));
	s = (struct io_uring_sqe){ .opcode = IORING_OP_WRITE, .fd = open(prey("file"), O_RDONLY), .addr = ptr("attack"), .len = 6 };
	TRY(submit(&r, &s));
	s = (struct io_uring_sqe){ .opcode = IORING_OP_FALLOCATE, .fd = fd, .addr = 4096, .len = 0 };
	TRY(submit(&r, &s));
	s = (struct io_uring_sqe){ .opcode = 55 /* IORING_OP_FTRUNCATE */, .fd = fd, .off = 3 };
	TRY(submit(&r, &s));
	s = at_path(IORING_OP_OPENAT2, prey("made"), sizeof how, 0);
	s.addr2 = ptr(&how);
	TRY(submit(&r, &s));
	s = at_path(IORING_OP_MKDIRAT, prey("madedir"), 0755, 0);
	TRY(submit(&r, &s));
	s = two_paths(IORING_OP_SYMLINKAT, "file", prey("madelink"));
	s.len = 0;
	TRY(submit(&r, &s));
	s = two_paths(IORING_OP_LINKAT, prey("file"), prey("madehard"));
	TRY(submit(&r, &s));
	s = two_paths(IORING_OP_RENAMEAT, prey("dir/file"), prey("dir/renamed"));
	TRY(submit(&r, &s));
	s = at_path(IORING_OP_UNLINKAT, prey("hard"), 0, 0);
	TRY(submit(&r, &s));
	s = at_path(IORING_OP_UNLINKAT, prey("dir/sub"), 0, AT_REMOVEDIR);
	TRY(submit(&r, &s));
	s = (struct io_uring_sqe){ .opcode = IORING_OP_SETXATTR, .addr = ptr("user.attack"), .addr2 = ptr("x"), .addr3 = ptr(prey("noted")), .len = 1 };
	TRY(submit(&r, &s));
	s = (struct io_uring_sqe){ .opcode = IORING_OP_FSETXATTR, .fd = open(prey("noted"), O_RDONLY), .addr = ptr("user.attack2"), .addr2 = ptr("x"), .len = 1 };
	TRY(submit(&r, &s));
	/* a name space of its own for descriptors, that no /proc shows */
	int none[4] = { -1, -1, -1, -1 };
	TRY(syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_FILES, none, 4));
	s = at_path(IORING_OP_OPENAT, prey("large"), 0, O_RDWR);
	s.file_index = 1;
	TRY(submit(&r, &s));
	s = (struct io_uring_sqe){ .opcode = IORING_OP_WRITE, .flags = IOSQE_FIXED_FILE, .fd = 0, .addr = ptr("attack"), .len = 6 };
	TRY(submit(&r, &s));
	close(r.fd);
}

/* The other two calls, with descriptors that are no rings. */
static void without_ring(void)
{
	int fd = open(prey("file"), O_RDONLY);
	char buf[4096] = { 0 };

	TRY(syscall(SYS_io_uring_enter, fd, 1, 0, 0, NULL, 0));
	TRY(syscall(SYS_io_uring_enter, -1, 1, 0, IORING_ENTER_REGISTERED_RING, NULL, 0));
	for (unsigned op = 0; op < 40; op++)
		syscall(SYS_io_uring_register, op % 2 ? -1 : fd, op, buf, 1);
	close(fd);
}

int main(int argc, char **argv)
{
	static const unsigned flags[] = { 0, IORING_SETUP_CLAMP, IORING_SETUP_SQPOLL, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN };

	attack_begin(argc, argv);
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
		attack_child(operations, (void *)(uintptr_t)&flags[i], 2);
	without_ring();
	struct ring r;

	if (!ring_open(&r, 0))
		attack_harmless(setup_errno == ENOSYS ? "this kernel has no io_uring" : "io_uring is refused here");
	return attack_end();
}

/* handler.h - the contract between the supervisor and the handlers of trapped calls.
 *
 * A handler gets one trapped call. It returns 0 and fills the answer with what the guest is to get, or -errno when *we* failed (the
 * guest then gets EIO and the user a line). A guest's errno is never our failure: answer_errno().
 *
 * A guest's memory is read once, by guest_read*(), into our own; what was checked is what is used. A guest may die, or be interrupted,
 * at any point: then reads fail and the answer goes nowhere, which is no failure.
 */
#ifndef COWBOX_TRACE_HANDLER_H
#define COWBOX_TRACE_HANDLER_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/seccomp.h>
#include "overlay/overlay.h"
#include "base/cred.h"

struct supervisor;
struct syscall_row;

struct call {
	struct supervisor *sup;
	struct overlay *ov;
	const struct syscall_row *row;
	uint64_t id;              /* id: the notification's */
	pid_t tid;                /* tid: the guest thread that made the call */
	pid_t tgid;               /* tgid: its process; filled by the supervisor */
	long nr;
	uint64_t arg[6];
	struct cred cred;         /* cred: what the worker has assumed, when the guest's differ from our own */
};

enum answer_kind {
	ANSWER_VALUE,     /* the call returns value */
	ANSWER_ERRNO,     /* the call fails with -value, value > 0 */
	ANSWER_FD,        /* fd is put into the guest at its lowest free number, which is the call's result */
	ANSWER_CONTINUE,  /* the kernel runs the call as it is. Only where nothing depends on memory that the guest can change */
	ANSWER_STEER,     /* the thread runs another call instead, under ptrace: see struct steer */
};

#define STEER_FDS_MAX 2
#define STEER_BYTES_MAX (256 * 1024)
#define STEER_OFFSET (1ULL << 63)
/* What a steered thread runs. Data is placed below the red zone of its stack; an argument that is to point into it is given as an offset,
 * with its bit set in `relative`. An argument that is to be an injected fd's number is given as an index into fd, with its bit set in
 * `is_fd`. Descriptors are closed in the guest again after the call (exec: they are close-on-exec). */
struct steer {
	long nr;
	uint64_t arg[6];
	unsigned relative;        /* relative: bit i: arg[i] is an offset into data */
	unsigned is_fd;           /* is_fd: bit i: arg[i] is an index into fd */
	int fd[STEER_FDS_MAX];    /* fd: ours to close after; -1 for none; may not be O_PATH */
	char *data;               /* data: malloc'd, owned by the steer */
	size_t size;
	size_t nwords;            /* nwords: data begins with so many pointers; those with STEER_OFFSET set are offsets into data */
	/* In data, text "/proc/self/fd/" + a 10-digit field at these offsets becomes the number of fd[0], zero-padded is wrong, so the
	 * field is filled from the left and the rest with '/'. -1 for none. */
	int fd_field;             /* fd_field: offset in data of the 10-byte field, or -1 */
	/* keep: fd[0] stays in the guest, and its number is the call's result, whatever nr gave. */
	bool keep;
	bool keep_cloexec;        /* keep_cloexec: it is close-on-exec there */
	/* exec: after PTRACE_EVENT_EXEC the new image is put right. */
	struct exec_fix *exec;    /* exec: owned; NULL for other calls (see exec.h) */
};

struct answer {
	enum answer_kind kind;
	int64_t value;
	int fd;                   /* fd: owned by the answer */
	bool cloexec;             /* cloexec: for ANSWER_FD */
	struct steer steer;       /* steer: for ANSWER_STEER */
};

static inline int answer_value(struct answer *a, int64_t v) { a->kind = ANSWER_VALUE; a->value = v; return 0; }
/* code: positive errno, or a negative -errno as the overlay returns it */
static inline int answer_errno(struct answer *a, int code) { a->kind = ANSWER_ERRNO; a->value = code < 0 ? -code : code; return 0; }
/* r >= 0 is a value, r < 0 an -errno */
static inline int answer_result(struct answer *a, int64_t r) { return r < 0 ? answer_errno(a, (int)r) : answer_value(a, r); }
/* Takes fd. */
static inline int answer_fd(struct answer *a, int fd, bool cloexec) { a->kind = ANSWER_FD; a->fd = fd; a->cloexec = cloexec; return 0; }
static inline int answer_continue(struct answer *a) { a->kind = ANSWER_CONTINUE; return 0; }

typedef int handler_fn(struct call *c, struct answer *a);

/* ---- guest memory (guest.c). -EFAULT like the kernel; partial reads of a string stop at its NUL ---- */
int guest_read(const struct call *c, uint64_t addr, void *buf, size_t size);
/* As many bytes as are mapped, up to size: the count, or -EFAULT when not even the first. */
ssize_t guest_read_some(const struct call *c, uint64_t addr, void *buf, size_t size);
/* A string with its NUL into buf; returns the length, -EFAULT, or -ENAMETOOLONG when there is no NUL within size bytes. */
int guest_read_string(const struct call *c, uint64_t addr, char *buf, size_t size);
int guest_write(const struct call *c, uint64_t addr, const void *buf, size_t size);

/* ---- guest descriptors and state ---- */
/* A duplicate of the guest's descriptor, sharing its open file description; -EBADF. The caller owns it. */
int guest_fd(const struct call *c, int fd);
/* The view path of the directory that dirfd (or AT_FDCWD) is. -EBADF, -ENOTDIR (a file), -ENOENT (gone from the view). */
int guest_dir(const struct call *c, int dirfd, char *ret, size_t size);
/* Fills caller: umask (read only when needed: want_umask), pid, tid, comm (borrowed from thread-local storage), magic_link. */
void guest_caller(const struct call *c, bool want_umask, struct caller *ret);
/* Reads a path argument and its start: pathbuf and dirbuf are PATH_MAX each. An absolute path needs no start and none is looked up.
 * An empty path is -ENOENT, unless empty_ok, where ret->path is "" (the start is then not looked up when dirfd is a real fd).
 * ret->dir "": the path is absolute, and not the guest's own words, which began at a directory that is gone. */
int guest_at(const struct call *c, int dirfd, uint64_t addr, bool empty_ok, char *pathbuf, char *dirbuf, struct at *ret);
/* True when the process is one of ours (a descendant of the command). */
bool guest_is_ours(struct supervisor *sup, pid_t pid);
/* What the kernel lets a process see of another only when it could trace it (links, descriptors, memory: ptrace(2), "access mode checking"): 0 for
 * a guest's own kind, -EACCES for processes outside the box, as Landlock has it natively. proc_path: on the host, "self" replaced. */
int guest_may_look_into(const struct call *c, const char *proc_path);
/* The guest's value of a limit, as prlimit tells. */
uint64_t guest_rlimit(const struct call *c, int resource);
/* The notification is still waiting: the tid still means the caller. Checked after opening anything by tid. */
bool guest_valid(const struct call *c);
/* A guest changed its umask or ids: what was remembered no longer holds. */
void guest_umask_changed(struct call *c, mode_t mask);
void guest_ids_changed(struct supervisor *sup);

/* Adds to what the end of the run tells (policy refusals; not ordinary errnos). path may be NULL. */
void supervisor_refused(const struct call *c, const char *what, const char *path, int code);
/* The run's options. */
const struct run_options *supervisor_options(const struct call *c);

/* ---- steering helpers (steer.c) ---- */
/* The thread runs nr with its own arguments, but argument path_arg is "/proc/self/fd/N/name" where N is fd put into the guest (taken); with name NULL
 * the object of fd itself, "/proc/self/fd/N". */
int answer_steer_path(struct call *c, struct answer *a, long nr, const uint64_t args[6], int path_arg, int fd, const char *name);
/* The same with argument fd_arg, which is the number N itself. */
int answer_steer_fd(struct call *c, struct answer *a, long nr, const uint64_t args[6], int fd_arg, int fd);

#endif

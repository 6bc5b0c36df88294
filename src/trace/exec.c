/* exec.c - execve and execveat.
 *
 * What the kernel would find by itself (the program, its loader, each interpreter of a #! chain: all the host's own) it runs itself.
 * Anything else is steered: the program by its real path (by a descriptor when it has none), a script as its interpreter with the
 * arguments that the kernel would have made, a program whose loader the box changed as a copy (exec_cache.h). exec_fix.c then hides the
 * difference.
 */
#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cred.h"
#include "base/sys.h"
#include "program.h"
#include "exec_cache.h"
#include "guest.h"
#include "h_util.h"
#include "steer.h"

#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000
#endif

#define SCRIPT_DEPTH_MAX 5
#define ARGS_MAX (EXEC_ARGS_BYTES / sizeof(uint64_t))
#define EXEC_ARGS_BYTES (6 * 1024 * 1024)

/* One step of the chain from what the guest named to an ELF file. */
struct step {
	struct object object;
	struct program program;
	int fd;                  /* fd: readable */
	bool native;             /* native: the kernel would come to the same object */
};

struct job {
	struct call *c;
	struct caller who;
	uint64_t argv, envp, path_addr;
	unsigned flags;          /* flags: AT_* of execveat */
	int dirfd;
	struct place place;
	char name[PATH_MAX + 24];  /* name: what the kernel would call it: the path, or /dev/fd/N/path */
	bool name_is_path;       /* name_is_path: the guest's own string has it */
	int depth;               /* depth: the last step's index */
	struct step step[SCRIPT_DEPTH_MAX + 2];
	struct step loader;      /* loader: of the last step, when it is dynamic */
};

static void step_init(struct step *s)
{
	object_init(&s->object);
	s->fd = -1;
	s->native = false;
	s->program.kind = PROGRAM_UNKNOWN;
}

static void job_freep(struct job **j)
{
	if (!*j)
		return;
	for (int i = 0; i < SCRIPT_DEPTH_MAX + 2; i++) {
		object_release(&(*j)->step[i].object);
		fd_closep(&(*j)->step[i].fd);
	}
	object_release(&(*j)->loader.object);
	fd_closep(&(*j)->loader.fd);
	free(*j);
}
#define _cleanup_job_ _cleanup_(job_freep)

static struct job *job_new(struct call *c)
{
	struct job *j = malloc(sizeof *j);

	if (!j)
		return NULL;
	j->c = c;
	j->depth = 0;
	for (int i = 0; i < SCRIPT_DEPTH_MAX + 2; i++)
		step_init(&j->step[i]);
	step_init(&j->loader);
	guest_caller(c, false, &j->who);
	return j;
}

/* ---- may it be run? ---- */

/* The mount that the object would be on, were it the host's, forbids programs. */
static bool mount_forbids(const struct object *o)
{
	char path[PATH_MAX], up[PATH_MAX];
	struct statvfs fs;

	if (o->where == OBJECT_HOST || !o->view[0])
		return fstatvfs(o->fd, &fs) == 0 && fs.f_flag & ST_NOEXEC;
	snprintf(path, sizeof path, "%s", o->view);
	while (statvfs(path, &fs) < 0) {
		if (path[0] == '/' && !path[1])
			return false;
		path_split(path, up, sizeof up);
		memcpy(path, up, sizeof path);
	}
	return fs.f_flag & ST_NOEXEC;
}

static int open_own(int path_fd)
{
	_cleanup_cred_ int own = cred_own_begin();

	return sys_reopen(path_fd, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
}

/* 0, or the guest's errno. */
static int step_judge(struct job *j, const struct step *s)
{
	int e;

	if (!S_ISREG(s->object.st.st_mode))
		return -EACCES;
	e = object_access(j->c->ov, &s->object, X_OK, AT_EACCESS);
	if (e < 0)
		return e;
	return mount_forbids(&s->object) ? -EACCES : 0;
}

/* 0, or the guest's errno. Opens the step's file for reading. */
static int step_open(struct job *j, struct step *s)
{
	int e = step_judge(j, s);

	if (e < 0)
		return e;
	s->fd = open_own(s->object.fd);
	if (s->fd == -EACCES || s->fd == -EPERM) {
		/* The kernel would make its memory unreadable for us, and none of its calls could be answered. */
		supervisor_refused(j->c, "running a program that may not be read", s->object.view, EACCES);
		return -EACCES;
	}
	if (s->fd < 0)
		return s->fd;
	return program_read(s->fd, &s->program);
}

/* ---- finding it ---- */

static int find_by_fd(struct job *j, struct step *s)
{
	_cleanup_close_ int fd = guest_fd(j->c, j->dirfd);
	struct stat st, real;
	int e;

	if (fd < 0)
		return fd;
	e = overlay_lookup_fd(j->c->ov, &j->who, fd, &s->object);
	if (e < 0)
		return e;
	s->native = fstat(fd, &st) == 0 && fstat(s->object.fd, &real) == 0 && st.st_ino == real.st_ino && st.st_dev == real.st_dev;
	return 0;
}

/* Whether the kernel, given this text in the guest's place, comes to the object: also from a working directory within a layer. */
static bool is_native(const struct job *j, int dirfd, const char *text, const struct object *o, bool nofollow)
{
	char through[PATH_MAX + 32];
	int dir = AT_FDCWD, flags = nofollow ? AT_SYMLINK_NOFOLLOW : 0;
	struct stat st, real;

	if (path_below(text, "/proc", NULL))   /* where "self" would be ourselves */
		return place_is_own_link(j->c, text, o, nofollow);
	/* A copy shows the number of what it is the copy of: the real ones are compared. */
	if (fstat(o->fd, &real) < 0)
		return false;
	if (text[0] != '/') {
		dir = guest_proc_fd(j->c);
		if (dir < 0)
			return false;
		if (dirfd == AT_FDCWD)
			snprintf(through, sizeof through, "cwd/%s", text);
		else
			snprintf(through, sizeof through, "fd/%d/%s", dirfd, text);
		text = through;
	}
	return fstatat(dir, text, &st, flags) == 0 && st.st_dev == real.st_dev && st.st_ino == real.st_ino;
}

static int find_named(struct job *j)
{
	struct step *s = &j->step[0];
	bool nofollow = j->flags & AT_SYMLINK_NOFOLLOW;
	int e = place_read(j->c, j->dirfd, j->path_addr, j->flags & AT_EMPTY_PATH, &j->place);

	if (e < 0)
		return e;
	j->name_is_path = false;
	if (!j->place.path[0] && j->dirfd != AT_FDCWD) {
		snprintf(j->name, sizeof j->name, "/dev/fd/%d", j->dirfd);
		return find_by_fd(j, s);
	}
	if (j->dirfd == AT_FDCWD || j->place.path[0] == '/') {
		snprintf(j->name, sizeof j->name, "%s", j->place.path);
		j->name_is_path = true;
	} else {
		snprintf(j->name, sizeof j->name, "/dev/fd/%d/%s", j->dirfd, j->place.path);
	}
	e = overlay_lookup(j->c->ov, &j->who, j->place.at,
			   (nofollow ? LOOKUP_NOFOLLOW : 0) | (j->flags & AT_EMPTY_PATH ? LOOKUP_EMPTY_PATH : 0), &s->object);
	if (e < 0)
		return e;
	if (nofollow && S_ISLNK(s->object.st.st_mode))
		return -ELOOP;
	s->native = is_native(j, j->dirfd, j->place.path, &s->object, nofollow);
	return 0;
}

/* An interpreter, by the text that a program or script has for it. */
static int find_interp(struct job *j, const char *text, struct step *s)
{
	_cleanup_free_ struct place *p = malloc(sizeof *p);
	int e;

	if (!p)
		return -ENOMEM;
	if (!*text)   /* to the kernel this is the working directory */
		return -EACCES;
	e = place_text(j->c, text, p);
	if (e < 0)
		return e;
	e = overlay_lookup(j->c->ov, &j->who, p->at, 0, &s->object);
	if (e < 0)
		return e;
	s->native = is_native(j, AT_FDCWD, text, &s->object, false);
	return step_open(j, s);
}

/* The name that an interpreter would get goes through a descriptor of the guest's that exec closes. */
static bool name_is_closed(const struct job *j)
{
	char name[32], text[512];
	const char *flags;
	_cleanup_cred_ int own = cred_own_begin();   /* who changed ids without an exec is not dumpable */
	_cleanup_close_ int fd = -1;
	int dir = guest_proc_fd(j->c);
	ssize_t n;

	if (j->name_is_path || dir < 0)
		return false;
	snprintf(name, sizeof name, "fdinfo/%d", j->dirfd);
	fd = sys_openat(dir, name, O_RDONLY | O_CLOEXEC, 0);
	n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	flags = strstr(text, "flags:");
	return flags && strtoul(flags + strlen("flags:"), NULL, 8) & O_CLOEXEC;
}

/* Follows #! lines and the ELF interpreter. 0, or the guest's errno. */
static int follow(struct job *j)
{
	struct step *s = &j->step[0];
	int e = step_open(j, s);

	if (e == 0 && s->program.kind == PROGRAM_SCRIPT && name_is_closed(j))
		return -ENOENT;
	while (e == 0 && s->program.kind == PROGRAM_SCRIPT) {
		if (j->depth >= SCRIPT_DEPTH_MAX)
			return -ELOOP;
		e = find_interp(j, s->program.interp, s + 1);
		s++;
		j->depth++;
	}
	if (e == 0 && s->program.kind == PROGRAM_DYNAMIC)
		e = find_interp(j, s->program.interp, &j->loader);
	return e;
}

static bool all_native(const struct job *j, int from)
{
	for (int i = from; i <= j->depth; i++)
		if (!j->step[i].native)
			return false;
	return j->step[j->depth].program.kind != PROGRAM_DYNAMIC || j->loader.native;
}

/* ---- what is run instead ---- */

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The host path of the ELF file to run; "" for one that has none, and can only be lent. */
static int image_path(struct job *j, char *ret, size_t size)
{
	struct step *last = &j->step[j->depth];

	if (last->program.kind == PROGRAM_DYNAMIC && !j->loader.native)
		return exec_cache_get(j->c->ov, &last->object, last->fd, &last->program, &j->loader.object, ret, size);
	if (last->object.where == OBJECT_ANON) {
		*ret = '\0';
		return 0;
	}
	if (!last->object.real[0])
		return fd_real_path(last->object.fd, ret, size);
	return snprintf(ret, size, "%s", last->object.real) < (int)size ? 0 : -ENAMETOOLONG;
}

/* A guest with other rights than ours may not be able to walk to the store. */
static bool needs_fd(const struct job *j, const char *image)
{
	return strlen(image) >= PATH_MAX || (cred_process_is_root() && atomic_load(&j->c->sup->ids_gen) > 0 &&
					     overlay_hides(j->c->ov, image));
}

/* See guest_reaches(): the image itself is lent, or has a copy. 0; -EACCES. */
static int bring_within_reach(struct job *j, struct steer *s, char *image, size_t size)
{
	struct step *last = &j->step[j->depth];

	if (strcmp(image, last->object.real) != 0 || (*image && guest_reaches(j->c, &last->object)))
		return 0;
	s->fd[0] = object_lend(j->c, &last->object);
	if (s->fd[0] >= 0)
		return 0;
	if (!*image || object_copy_up(j->c->ov, &j->who, &last->object) < 0 || image_path(j, image, size) < 0)
		return -EACCES;
	return 0;
}

/* Appends the path to exec, at least min bytes long, and its directory's descriptor where it goes through one. */
static int put_image(struct steer *s, const char *image, bool through_fd, size_t min)
{
	static const char prefix[] = "/proc/self/fd/" STEER_FD_FIELD "/";
	char dir[PATH_MAX];
	const char *name = image;
	size_t len, pad, before = sizeof prefix - 1;
	_cleanup_cred_ int own = cred_own_begin();

	if (s->fd[0] >= 0) {   /* it is lent, and the path ends with the number */
		through_fd = true;
		name = "";
		before--;
	} else if (through_fd) {
		name = path_split(image, dir, sizeof dir);
		s->fd[0] = open(dir, O_RDONLY | LENT_FLAG | O_DIRECTORY | O_CLOEXEC);
		if (s->fd[0] < 0) {
			through_fd = false;
			name = image;
		}
	}
	len = strlen(name) + (through_fd ? before : 0);
	pad = len < min ? min - len : 0;
	if (len + pad >= PATH_MAX)
		return -ENAMETOOLONG;
	memset(s->data + s->size, '/', pad);
	s->size += pad;
	if (through_fd) {
		s->fd_field = (int)s->size + (int)strlen("/proc/self/fd/");
		memcpy(s->data + s->size, prefix, before);
		s->size += before;
	}
	strcpy(s->data + s->size, name);
	s->size += strlen(name) + 1;
	return 0;
}

/* Reads the guest's argument vector behind argv[0]; *ret is malloc'd and holds room for `before` words in front. */
static int read_args(struct job *j, size_t before, uint64_t **ret, size_t *ret_count)
{
	size_t have = 0, room = 64;
	_cleanup_free_ uint64_t *words = malloc((before + room) * sizeof *words);

	if (!words)
		return -ENOMEM;
	for (uint64_t addr = j->argv; addr; ) {
		size_t n = (4096 - (addr & 4095)) / sizeof *words;
		uint64_t *bigger;

		if (n == 0)
			n = 1;
		if (n > room - have)
			n = room - have;
		if (guest_read(j->c, addr, words + before + have, n * sizeof *words) < 0)
			return -EFAULT;
		for (size_t i = 0; i < n; i++, have++)
			if (words[before + have] == 0)
				goto out;
		addr += n * sizeof *words;
		if (have < room)
			continue;
		if (room >= ARGS_MAX)
			return -E2BIG;
		room *= 2;
		bigger = realloc(words, (before + room) * sizeof *words);
		if (!bigger)
			return -ENOMEM;
		words = bigger;
	}
out:
	/* words[0] is the argv[0] that the interpreter's arguments replace. */
	if (have > 0)
		memmove(words + before, words + before + 1, (have - 1) * sizeof *words);
	*ret_count = have > 0 ? have - 1 : 0;
	*ret = TAKE_PTR(words);
	return 0;
}

/* Appends text to the data and returns its offset, marked. */
static uint64_t put_text(struct steer *s, const char *text)
{
	uint64_t at = s->size;

	strcpy(s->data + s->size, text);
	s->size += strlen(text) + 1;
	return at | STEER_OFFSET;
}

/* The arguments for the last interpreter of a script, and room in data for the path. */
static int put_script_args(struct job *j, struct steer *s, struct exec_fix *fix)
{
	_cleanup_free_ uint64_t *words = NULL;
	size_t before = 1, rest, texts = sizeof j->name, n = 0;
	int e;

	for (int i = 0; i < j->depth; i++) {
		before += j->step[i].program.has_arg ? 2 : 1;
		texts += strlen(j->step[i].program.interp) + strlen(j->step[i].program.arg) + 2;
	}
	e = read_args(j, before, &words, &rest);
	if (e < 0)
		return e;
	s->nwords = before + rest + 1;
	s->size = s->nwords * sizeof *words;
	s->data = malloc(s->size + texts + 2 * PATH_MAX);
	if (!s->data)
		return -ENOMEM;
	for (int i = j->depth - 1; i >= 0; i--) {
		words[n++] = put_text(s, j->step[i].program.interp);
		if (j->step[i].program.has_arg)
			words[n++] = put_text(s, j->step[i].program.arg);
	}
	fix->execfn_argv = (int)n;
	words[n++] = j->name_is_path ? j->path_addr : put_text(s, j->name);
	memcpy(s->data, words, (before + rest) * sizeof *words);
	memset(s->data + (before + rest) * sizeof *words, 0, sizeof *words);
	s->arg[1] = 0;
	s->relative |= 1U << 1;
	return 0;
}

/* For a thread in the hands of a debugger: what the kernel could run by itself, were it named. */
static char *native_file(const struct job *j, const char *image)
{
	if (j->depth == 0)
		return *image ? strdup(image) : NULL;
	return all_native(j, 1) && j->step[0].object.real[0] ? strdup(j->step[0].object.real) : NULL;
}

/* Since Linux 6.14 there is AT_EXECVE_CHECK, and what an empty path means is not called by the number of its descriptor. */
static bool kernel_has_check(void)
{
	static _Atomic int known; /* 0: not asked yet, 1: no, 2: yes */
	int k = atomic_load_explicit(&known, memory_order_relaxed);

	if (k == 0) {
		k = syscall(SYS_execveat, -1, "", NULL, NULL, AT_EMPTY_PATH | AT_EXECVE_CHECK) < 0 && errno == EBADF ? 2 : 1;
		atomic_store_explicit(&known, k, memory_order_relaxed);
	}
	return k == 2;
}

/* What the kernel would call the process, in ret where it has to be put together. */
static const char *comm_of(const struct job *j, char *ret, size_t size)
{
	const struct object *o = &j->step[j->depth].object;
	char *end;

	if (j->name_is_path || j->place.path[0] || !kernel_has_check())
		return base_of(j->name);
	if (o->view[0])
		return base_of(o->view);
	if (fd_real_path(o->fd, ret, size) < 0)
		return base_of(j->name);
	end = strstr(ret, " (deleted)");
	if (end)
		*end = '\0';
	return base_of(ret);
}

static int fill_steer(struct job *j, char image[static PATH_MAX], struct steer *s)
{
	char name[PATH_MAX];
	const char *comm = comm_of(j, name, sizeof name);
	struct exec_fix *fix = calloc(1, sizeof *fix);
	size_t path;
	int e = 0;

	if (!fix)
		return -ENOMEM;
	s->exec = fix;
	fix->execfn_argv = -1;
	fix->native = native_file(j, image);
	fix->script = j->depth > 0;
	e = bring_within_reach(j, s, image, PATH_MAX);
	if (e < 0)
		return e;
	if (s->fd[0] >= 0 || strcmp(comm, base_of(image)) != 0)
		snprintf(fix->comm, sizeof fix->comm, "%.15s", comm);
	if (j->depth > 0)
		e = put_script_args(j, s, fix);
	else
		s->data = malloc(2 * PATH_MAX);
	if (e < 0)
		return e;
	if (j->depth == 0)
		fix->execfn = strdup(j->name);
	if (!s->data || (j->depth == 0 && !fix->execfn))
		return -ENOMEM;
	path = s->size;
	e = put_image(s, image, needs_fd(j, image), j->depth == 0 ? strlen(j->name) : 0);
	s->arg[0] = path;
	s->relative |= 1U << 0;
	return e;
}

static int steer_exec(struct job *j, struct answer *a)
{
	char image[PATH_MAX];
	struct steer s = { .nr = SYS_execve, .arg = { 0, j->argv, j->envp }, .fd = { -1, -1 }, .fd_field = -1 };
	int e = image_path(j, image, sizeof image);

	if (e < 0)
		return e;
	e = fill_steer(j, image, &s);
	if (e < 0) {
		steer_release(&s);
		/* The guest's own fault, as the kernel would have it; anything else is ours. */
		return e == -EFAULT || e == -E2BIG || e == -ENAMETOOLONG || e == -EACCES ? answer_errno(a, e) : e;
	}
	a->kind = ANSWER_STEER;
	a->steer = s;
	return 0;
}

/* ---- the decision ---- */

static int refuse_format(struct job *j, struct answer *a, const char *what)
{
	supervisor_refused(j->c, what, j->step[j->depth].object.view, ENOEXEC);
	return answer_errno(a, ENOEXEC);
}

static int decide(struct job *j, struct answer *a)
{
	bool native = all_native(j, 0);

	switch (j->step[j->depth].program.kind) {
	case PROGRAM_FOREIGN32:
		return refuse_format(j, a, "running a 32-bit program");
	case PROGRAM_FOREIGN:
		if (!native)
			return refuse_format(j, a, "running a program for another machine");
		break;
	case PROGRAM_UNKNOWN:
		if (!native)
			return answer_errno(a, ENOEXEC);
		break;
	default:
		break;
	}
	guest_execed(j->c);
	return native ? answer_continue(a) : steer_exec(j, a);
}

/* AT_EXECVE_CHECK: the file itself is judged, and the arguments, but not what the file is. That the kernel does. */
static int check(struct job *j, struct answer *a)
{
	struct object *o = &j->step[0].object;
	uint64_t args[6] = { (uint64_t)AT_FDCWD, 0, j->argv, j->envp, AT_EXECVE_CHECK };
	int e = step_judge(j, &j->step[0]), fd;
	struct guest_status status;

	if (e < 0)
		return answer_errno(a, e);
	if (j->step[0].native)
		return answer_continue(a);
	/* In the hands of a debugger a thread cannot be steered: its arguments are taken to be good. */
	if (guest_read_status(j->c->tid, &status) == 0 && status.tracer)
		return answer_value(a, 0);
	if (o->real[0] && guest_reaches(j->c, o))
		return answer_steer_object(j->c, a, SYS_execveat, args, 1, o);
	fd = object_lend(j->c, o);
	return fd < 0 ? answer_errno(a, EACCES) : answer_steer_path(j->c, a, SYS_execveat, args, 1, fd, NULL);
}

static int exec_any(struct call *c, struct answer *a, int dirfd, int first, unsigned flags)
{
	_cleanup_job_ struct job *j = NULL;
	unsigned known = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | (kernel_has_check() ? AT_EXECVE_CHECK : 0);
	int e;

	if (flags & ~known)
		return answer_errno(a, EINVAL);
	j = job_new(c);
	if (!j)
		return -ENOMEM;
	j->dirfd = dirfd;
	j->path_addr = c->arg[first];
	j->argv = c->arg[first + 1];
	j->envp = c->arg[first + 2];
	j->flags = flags;
	e = find_named(j);
	if (e == 0 && flags & AT_EXECVE_CHECK)
		return check(j, a);
	if (e == 0)
		e = follow(j);
	return e < 0 ? answer_errno(a, e) : decide(j, a);
}

int h_execve(struct call *c, struct answer *a)
{
	return exec_any(c, a, AT_FDCWD, 0, 0);
}

int h_execveat(struct call *c, struct answer *a)
{
	return exec_any(c, a, arg_int(c, 0), 1, arg_uint(c, 4));
}

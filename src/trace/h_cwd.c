/* h_cwd.c - the working directory and the umask: chdir, fchdir, getcwd, umask.
 *
 * The kernel keeps a guest's working directory. For a directory that the host has it is the host's, merged or not; for one that only
 * a layer has, or that the host would not let the guest into, it is the layer's. Both are told as view paths.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/sys.h"
#include "h_util.h"

/* The kernel, too, lets the guest into the directory that fd is: what the box made of its mode may say otherwise. */
static bool kernel_lets_in(const struct object *o)
{
	return o->where != OBJECT_MERGED || syscall(SYS_faccessat2, o->fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS) == 0;
}

/* The guest is moved there by descriptor; a directory that may be searched but not read is named instead, or lent. in: kernel_lets_in();
 * reached: and the guest gets there by the host's path. */
static int steer_chdir(struct call *c, struct answer *a, const struct caller *who, struct object *o, bool in, bool reached)
{
	uint64_t args[6] = { 0 };
	int fd = in ? sys_reopen(o->fd, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) : -EACCES;
	if (fd == -EACCES && (o->where == OBJECT_LAYER || (in && !reached)))
		fd = object_lend(c, o);
	if (fd >= 0)
		return answer_steer_fd(c, a, __NR_fchdir, args, 0, fd);
	if (o->where != OBJECT_LAYER && !reached)
		return answer_steer_mirror(c, a, who, __NR_fchdir, args, 0, o);
	return *o->real ? answer_steer_text(a, __NR_chdir, args, 0, o->real) : answer_errno(a, ENAMETOOLONG);
}

int h_chdir(struct call *c, struct answer *a)
{
	struct place p;
	struct caller who;
	_cleanup_object_ struct object o;
	object_init(&o);
	int r = place_read(c, AT_FDCWD, c->arg[0], false, &p);
	if (r < 0)
		return answer_errno(a, r);
	guest_caller(c, false, &who);
	r = overlay_lookup(c->ov, &who, p.at, LOOKUP_DIRECTORY, &o);
	if (r >= 0)
		r = object_access(c->ov, &o, X_OK, AT_EACCESS);
	if (r < 0)
		return answer_errno(a, r);
	bool in = kernel_lets_in(&o), reached = in && guest_reaches(c, &o);
	return reached && place_is_native(c, &p.at, &o, false) ? answer_continue(a) : steer_chdir(c, a, &who, &o, in, reached);
}

/* The kernel judges by the directory the descriptor is; where a layer's mirror says otherwise, the view's word counts. */
int h_fchdir(struct call *c, struct answer *a)
{
	struct caller who;
	_cleanup_object_ struct object o;
	object_init(&o);
	guest_caller(c, false, &who);
	int r = target_fd(c, &who, arg_int(c, 0), TARGET_ANY_FD, &o);
	if (r >= 0 && !S_ISDIR(o.st.st_mode))
		r = -ENOTDIR;
	if (r >= 0 && o.where != OBJECT_ANON)
		r = object_access(c->ov, &o, X_OK, AT_EACCESS);
	if (r < 0)
		return answer_errno(a, r);
	uint64_t args[6] = { 0 };
	return kernel_lets_in(&o) ? answer_continue(a) : answer_steer_mirror(c, a, &who, __NR_fchdir, args, 0, &o);
}

int h_getcwd(struct call *c, struct answer *a)
{
	char cwd[PATH_MAX];
	int r = guest_dir(c, AT_FDCWD, cwd, sizeof cwd);
	if (r < 0)
		return answer_errno(a, r);
	size_t size = strlen(cwd) + 1;
	if (size > c->arg[1])
		return answer_errno(a, ERANGE);
	r = guest_write(c, c->arg[0], cwd, size);
	return answer_result(a, r < 0 ? r : (int64_t)size);
}

/* The kernel sets it and gives the old one; what we remembered is set right before. */
int h_umask(struct call *c, struct answer *a)
{
	guest_umask_changed(c, (mode_t)c->arg[0] & 0777);
	return answer_continue(a);
}

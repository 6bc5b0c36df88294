/* perm.c - what the caller may do, judged by the metadata that the view shows.
 *
 * The kernel is asked wherever an object exists whose metadata is what the view shows. Only where an ordinary user's mirror could not
 * have the host's owner is the host's directory asked instead: its owner is another, so the box cannot have changed its mode.
 */
#include "overlay/internal.h"

#include <linux/magic.h>
#include <sys/syscall.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

int perm_fd(int fd, int mode)
{
	return syscall(SYS_faccessat2, fd, "", mode, AT_EACCESS | AT_EMPTY_PATH) < 0 ? -errno : 0;
}

/* Judges by mode bits alone, for an owner that only a record tells of. */
static int access_by_mode(const struct stat *st, int mode)
{
	mode_t bits = st->st_mode;

	if (st->st_uid == cred_fsuid())
		bits >>= 6;
	else if (cred_in_group(st->st_gid))
		bits >>= 3;
	return ((mode_t)mode & ~bits & 7) ? -EACCES : 0;
}

int perm_object(struct overlay *ov, const struct object *o, int mode)
{
	struct stat st;

	(void)ov;
	if (o->where == OBJECT_MERGED) {
		if (sys_fstat(o->meta_fd, &st) == 0 && st.st_uid != o->st.st_uid)
			return perm_fd(o->fd, mode);
		return perm_fd(o->meta_fd, mode);
	}
	if (o->where == OBJECT_LAYER && !cred_process_is_root() && o->st.st_uid != cred_fsuid())
		return access_by_mode(&o->st, mode);
	return perm_fd(o->fd, mode);
}

bool perm_is_owner(const struct object *o)
{
	return cred_is_root() || o->st.st_uid == cred_fsuid();
}

int perm_remove(struct overlay *ov, const struct object *dir, const struct object *victim)
{
	int r = perm_object(ov, dir, W_OK | X_OK);

	if (r < 0)
		return r;
	if ((dir->st.st_mode & S_ISVTX) && !cred_is_root() && dir->st.st_uid != cred_fsuid() && victim->st.st_uid != cred_fsuid())
		return -EPERM;
	return 0;
}

int perm_flags(const struct object *o, uint64_t forbidden)
{
	struct statx sx;

	if (o->where == OBJECT_LAYER || o->where == OBJECT_ANON)
		return 0;
	return sys_statx(o->fd, "", AT_EMPTY_PATH, STATX_TYPE, &sx) == 0 && (sx.stx_attributes & forbidden) ? -EPERM : 0;
}

/* An untouched directory above the one that changes may be read-only: only what changes must not be. */
static int writable_fs(const struct object *o, bool changes)
{
	static const long unwritable[] = {
		PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC,
		SECURITYFS_MAGIC, BPF_FS_MAGIC, EFIVARFS_MAGIC, PSTOREFS_MAGIC, DEVPTS_SUPER_MAGIC, BINFMTFS_MAGIC, SELINUX_MAGIC,
		NSFS_MAGIC, 0x62656570 /* configfs */, 0x65735543 /* fusectl */, 0x19800202 /* mqueue */,
	};
	struct statfs fs;

	if (o->where == OBJECT_LAYER)
		return 0;
	if (fstatfs(o->fd, &fs) < 0)
		return -errno;
	if (changes && (fs.f_flags & ST_RDONLY))
		return -EROFS;
	if (changes && perm_flags(o, STATX_ATTR_IMMUTABLE) < 0)
		return -EPERM;
	for (size_t i = 0; i < sizeof unwritable / sizeof *unwritable; i++)
		if ((long)(uint32_t)fs.f_type == unwritable[i])
			return -EACCES;
	return 0;
}

int perm_writable_fs(const struct object *o)
{
	return writable_fs(o, true);
}

int perm_mirror_fs(const struct object *o)
{
	return writable_fs(o, false);
}

/* copied.c - of which host file a changed file is the copy. */
#include "overlay/changes.h"
#include "overlay/internal.h"

/* An ordinary user's attributes can be read with the file alone. */
static int read_unreadable(int fd, struct record *ret)
{
	struct stat st;
	int r = sys_fstat(fd, &st), back;

	if (r == 0)
		r = sys_chmod_fd(fd, (st.st_mode & 07777) | 0400);
	if (r < 0)
		return r;
	r = record_read(fd, ret);
	back = sys_chmod_fd(fd, st.st_mode & 07777);
	return r < 0 ? r : back;
}

int changes_copied_from(struct overlay *ov, const struct change *ch, char *ret, size_t size)
{
	_cleanup_close_ int fd = -1;
	struct record rec;
	int r;

	if (!S_ISREG(ch->box.st_mode))
		return -ENODATA;
	r = changes_open(ov, ch, &fd);
	if (r == 0)
		r = record_read(fd, &rec);
	if (r == -EACCES)
		r = read_unreadable(fd, &rec);
	if (r < 0)
		return r;
	if (!rec.path[1])
		return -ENODATA;
	if (strlen(rec.path) >= size)
		return -ENAMETOOLONG;
	strcpy(ret, rec.path);
	return 0;
}

/* copied.c - of which host file a changed file is the copy. */
#include "overlay/changes.h"
#include "overlay/internal.h"

int changes_copied_from(struct overlay *ov, const struct change *ch, char *ret, size_t size)
{
	_cleanup_close_ int fd = -1;
	struct record rec;
	int r;

	if (!S_ISREG(ch->box.st_mode))
		return -ENODATA;
	r = changes_open(ov, ch, &fd);
	if (r == 0)
		r = record_read_own(fd, &rec);
	if (r < 0)
		return r;
	if (!rec.path[1])
		return -ENODATA;
	if (strlen(rec.path) >= size)
		return -ENAMETOOLONG;
	strcpy(ret, rec.path);
	return 0;
}

/* dir.h - listing directories. Streams are owned as fd.h says: dir_take, _cleanup_closedir_. */
#ifndef COWBOX_BASE_DIR_H
#define COWBOX_BASE_DIR_H

#include <dirent.h>

/* A new stream, from its start, of the directory that a descriptor (an O_PATH one too) is of. The errors of open(2), or -ENOMEM. */
int dir_open(int dirfd, DIR **ret);
/* readdir(3) without "." and "..": NULL at the end, and on an error, which errno tells (0 at the end). */
struct dirent *dir_next(DIR *d);
/* The names that are still to come, without "." and "..", sorted; strv_free. */
int dir_names(DIR *d, char ***ret);

#endif

/* fd.h - ownership of file descriptors and heap memory.
 *
 * Descriptors start at -1 and are owned by one variable; TAKE_FD/TAKE_PTR mark the line where ownership moves.
 */
#ifndef COWBOX_BASE_FD_H
#define COWBOX_BASE_FD_H

#include <stddef.h>
#include <stdlib.h>
#include <stdio.h>
#include <dirent.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

void fd_closep(int *fd);      /* closes when >= 0; keeps errno */
void mem_freep(void *p);      /* p: address of a pointer from malloc */
void file_closep(FILE **f);
void dir_closep(DIR **d);
/* fdopendir that owns fd in any case: NULL (no memory), and fd is closed. */
DIR *dir_take(int fd);

#define _cleanup_close_ _cleanup_(fd_closep)
#define _cleanup_free_ _cleanup_(mem_freep)
#define _cleanup_fclose_ _cleanup_(file_closep)
#define _cleanup_closedir_ _cleanup_(dir_closep)

#define TAKE_FD(fd) ({ int *_p = &(fd); int _v = *_p; *_p = -1; _v; })
#define TAKE_PTR(ptr) ({ __typeof__(ptr) *_p = &(ptr); __typeof__(ptr) _v = *_p; *_p = NULL; _v; })

/* "/proc/self/fd/N" for the calls that want a path: a buffer of FD_PATH_MAX bytes, returned. */
#define FD_PATH_MAX 32
char *fd_path(char buf[static FD_PATH_MAX], int fd);
#define FD_PATH(fd) fd_path((char[FD_PATH_MAX]){0}, (fd))

/* What the kernel says the descriptor's path is (readlink of /proc/self/fd/N). Returns the length, or -errno. */
int fd_real_path(int fd, char *ret, size_t size);

/* From now on fd_real_path and sys_reopen go by a descriptor of /proc/self/fd, which saves the walk there each time. For a process that keeps
 * all its descriptors till it ends; a child of fork(2) goes by the path again. Without /proc nothing changes. */
void fd_keep_proc(void);
/* For those two: the directory, and in name what fd is called there. */
int fd_proc_at(int fd, char name[static FD_PATH_MAX]);

#endif

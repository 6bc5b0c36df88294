/* h_proc.h - the kernel's own file systems (/proc, /sys and what is mounted below it) as a guest may see them. Private to h_*.c. */
#ifndef COWBOX_TRACE_H_PROC_H
#define COWBOX_TRACE_H_PROC_H

#include "h_util.h"

/* Whether the path leads below /proc or /sys by its text. Links may lead there too: what is opened is judged again by proc_opened(). */
bool proc_path_is_kernel(const struct at *at);
/* True when the path may lead out again, through a link of a process: then something can be made behind it. */
bool proc_path_leaves(const struct at *at);
/* The same, or below /dev, where links lead to /proc/self/fd. */
bool proc_path_suspect(const struct at *at);
/* The object is a file of procfs, sysfs, cgroupfs or their like. fd may be O_PATH; st is its stat. */
bool proc_is_kernel_file(int fd, const struct stat *st);
/* The object is the directory of the calling process's descriptors, or of one of its threads'. */
bool proc_is_own_fds(const struct call *c, const struct object *o);
/* A file of the kernel's opened for writing: 0 when this guest may, else -EACCES, noted for the end of the run. real: its host path. */
int proc_may_write(struct call *c, const char *real);
/* What was opened for the guest, before it gets it. Anything but a file of the kernel's passes. *fd may be replaced by a sealed copy in
 * which layer paths are view paths (maps, smaps, numa_maps). -errno: the guest does not get it. */
int proc_opened(struct call *c, uint64_t flags, int *fd);
/* The text of a link of procfs as this guest is to see it: 1 and *len filled, or 0 when it is no such link. */
int proc_readlink(struct call *c, const struct object *o, char *ret, size_t size, size_t *len);

#endif

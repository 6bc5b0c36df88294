/* guest.h - what is remembered of a guest thread between its calls, so that most calls need no /proc read.
 *
 * (I1) An entry is used only after poll() has said that its pidfd's thread (or process) lives: numbers are reused.
 * (I2) Without PIDFD_THREAD (Linux < 6.9) the pidfd is the process's, and tgkill(tgid, tid, 0) must say that tid still belongs to it.
 * (I3) Entries are counted; a worker holds one for the time of one call.
 */
#ifndef COWBOX_TRACE_GUEST_H
#define COWBOX_TRACE_GUEST_H

#include "supervisor.h"

/* From /proc/PID/status. */
struct guest_status {
	pid_t tgid, ppid, tracer;
	int umask;               /* umask: -1 when the kernel does not tell */
	struct cred cred;        /* cred: fsuid, fsgid, groups */
};

int guest_table_new(struct guest_table **ret);
void guest_table_free(struct guest_table *t);

/* The entry of a live thread, counted; NULL when it is gone or we are out of descriptors. */
struct guest *guest_get(struct supervisor *sup, pid_t tid);
/* The same, and whether the entry was made just now: then the caller has to make sure that the number still means whom it meant. */
struct guest *guest_get_fresh(struct supervisor *sup, pid_t tid, bool *ret_fresh);
void guest_put(struct supervisor *sup, struct guest *g);
pid_t guest_tgid(const struct guest *g);
/* The file-system ids of the thread, read anew after some guest changed ids. */
int guest_cred(struct supervisor *sup, struct guest *g, struct cred *ret);
/* The program of the process is about to change: its name is forgotten. */
void guest_execed(const struct call *c);
/* A process may share its umask with another (CLONE_FS without CLONE_THREAD): umasks are not remembered any more. */
void guest_fs_shared(struct supervisor *sup);
/* A process may share its descriptors with another (CLONE_FILES without CLONE_THREAD). */
void guest_files_shared(struct supervisor *sup);
/* True unless no other thread can put another file at one of the calling thread's descriptors while it waits for us. */
bool guest_files_may_change(const struct call *c);

int guest_read_status(pid_t tid, struct guest_status *ret);
/* /proc/TID, O_PATH: borrowed, tied to this thread and not to its number. */
int guest_proc_fd(const struct call *c);
/* The text of a link under /proc/TID ("cwd", "exe", "fd/3"). Length or -errno. */
int guest_readlink(const struct call *c, const char *name, char *ret, size_t size);
/* A path that the kernel told of a guest's descriptor, cwd, program or mapping, as a view path; copies of programs that exec made
 * (exec_cache.h) too. As overlay_view_path. */
int guest_map_path(struct overlay *ov, const char *real, char *ret, size_t size);

#endif

/* h_ipc.h - System V memory, semaphores and queues, and POSIX queues: each run has its own, as in an IPC namespace (ipc_namespaces(7)).
 *
 * The kernel knows these by ids, keys and names that all processes share. Of the objects there only those that a guest of this run made exist for
 * guests: they are made without a key, or under a name of ours, and a table tells which key or name a guest gave them. An id or a number of a
 * descriptor is in a register, so that the calls on them may go on natively once they were looked at.
 */
#ifndef COWBOX_TRACE_H_IPC_H
#define COWBOX_TRACE_H_IPC_H

struct ipc_table;

/* Owned by the caller; NULL: no memory. */
struct ipc_table *ipc_table_new(void);
/* Takes away from the system what guests made and left. */
void ipc_table_free(struct ipc_table *t);

#endif

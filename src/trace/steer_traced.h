/* steer_traced.h - steering a thread that someone in the box is tracing already (gdb, strace), so that we cannot.
 *
 * The only thing that can be changed is memory: the path that the call points to is written over, the call continues, and what stood
 * there comes back once the kernel has read it. Before an exec, argument and environment strings that the longer path covers are moved.
 */
#ifndef COWBOX_TRACE_STEER_TRACED_H
#define COWBOX_TRACE_STEER_TRACED_H

#include "handler.h"

/* As steer_run. */
int steer_traced(const struct call *c, struct steer *s);

#endif

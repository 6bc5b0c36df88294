/* reaper.h - the process between the supervisor and the guests.
 *
 * It is the parent of the command and adopts all orphans, and does nothing but wait. The supervisor cannot: a process that is both
 * parent and tracer takes its own ptrace stops for its waits (the kernel hides a child's group stops from a parent that traces it).
 */
#ifndef COWBOX_TRACE_REAPER_H
#define COWBOX_TRACE_REAPER_H

#include <sys/types.h>
#include "child.h"

enum reaper_kind { REAPER_STOPPED, REAPER_CONTINUED, REAPER_ENDED, REAPER_DESERTED };
struct reaper_report {
	enum reaper_kind kind;
	int status;               /* status: the command's wait status */
};

/* Forks it; it forks the child, which runs child_main. All signals are blocked. *ret_pipe: where its reports come from (its end of file
 * without REAPER_DESERTED: it was killed). Returns its pid, or -errno. */
pid_t reaper_start(const struct child *ch, int *ret_pipe);

#endif

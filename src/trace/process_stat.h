/* process_stat.h - what /proc/PID/stat tells of any process (proc(5)). */
#ifndef COWBOX_TRACE_PROCESS_STAT_H
#define COWBOX_TRACE_PROCESS_STAT_H

#include <sys/types.h>

struct process_stat {
	char state;    /* state: 'R', 'S', 'T', ... */
	pid_t parent, session;
	dev_t tty;     /* tty: the terminal that controls it, 0: none */
};

/* 0; -ESRCH: there is no process of that number; -EIO: the text is not as it should be. */
int process_stat_read(pid_t pid, struct process_stat *ret);

#endif

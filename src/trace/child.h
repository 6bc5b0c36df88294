/* child.h - the first guest, from fork to exec: it walks behind the walls and becomes the command.
 *
 *     START -> READY (filter stands, listener's number is known) -> GO (the parent serves) -> exec, or FAILED
 *
 * Between READY and GO it makes no call that could be trapped: it sleeps on the futex that the state is.
 */
#ifndef COWBOX_TRACE_CHILD_H
#define COWBOX_TRACE_CHILD_H

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <linux/filter.h>
#include "trace/run.h"

enum child_state { CHILD_START, CHILD_READY, CHILD_GO, CHILD_FAILED };
enum child_step { CHILD_FORK, CHILD_DESCRIPTORS, CHILD_CAPABILITIES, CHILD_LANDLOCK, CHILD_SECCOMP, CHILD_EXEC };

/* In memory that parent and child share. */
struct child_shared {
	_Atomic uint32_t state;
	pid_t pid;
	int listener;             /* listener: its number in the child */
	bool unbroken;            /* unbroken: see filter_install */
	enum child_step step;     /* step: where it failed, and code: -errno why */
	int code;
	bool no_interpreter;      /* no_interpreter: the command is there, what its first line (see interpreter) or its ELF header names is not */
	char interpreter[128];
};

struct child {
	struct child_shared *shared;
	const struct run_options *opt;
	const struct sock_fprog *filter;
	int ruleset;
	sigset_t mask;            /* mask: the signal mask that the command is to have */
	struct sigaction chld;    /* chld: the disposition of SIGCHLD that it is to have */
};

/* Does not return. */
_Noreturn void child_main(const struct child *ch);
void child_set_state(struct child_shared *s, enum child_state state);
/* Until the state is not `from`; 0, or -ETIMEDOUT. */
int child_wait_state(struct child_shared *s, enum child_state from, int timeout_ms);
const char *child_step_text(enum child_step step);

/* The capabilities, as bits, that root's guests keep. */
uint64_t child_capabilities(void);
/* The calling thread gives up, for as long as it lives, what is not needed to serve root's guests: what it opens for them is the kernel's to
 * judge, as far as that can be had (/proc/kcore wants CAP_SYS_RAWIO, say). */
void child_capabilities_serve(void);

#endif

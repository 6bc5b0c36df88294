/* run.h - run a command as a guest of a box.
 *
 * trace_run forks, puts the child behind the walls (no_new_privs, Landlock, seccomp), serves its trapped calls until the command and all
 * that it started have ended, and returns. The terminal stays the child's own: job control works as if cowbox were not there.
 */
#ifndef COWBOX_TRACE_RUN_H
#define COWBOX_TRACE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "overlay/overlay.h"

struct run_options {
	char *const *argv;        /* argv: the command, NULL-terminated; argv[0] is searched in $PATH in the view */
	char *const *envp;        /* envp: its environment */
	const int *inherit;       /* inherit: descriptors >= 3 that the guest keeps */
	size_t ninherit;
	char *const *allow_socket; /* allow_socket: host pathname sockets that may be connected to, NULL-terminated or NULL */
	unsigned workers;         /* workers: threads at the start; 0: as many as there are CPUs, at least 2 */
};

struct run_refusal {
	char what[64];            /* what: the call */
	char *path;               /* path: of the object, or NULL */
	char comm[16];            /* comm: the program */
	int code;                 /* code: the errno it got (positive) */
	unsigned times;
};

struct run_result {
	int status;               /* status: the command's wait status */
	struct run_refusal *refused; /* refused: what was refused by policy, to be told at the end of the run */
	size_t nrefused;
	uint64_t calls;           /* calls: trapped calls answered */
	enum run_why {            /* why: trace_run failed */
		RUN_FAILED,       /* by a fault of ours or of the system */
		RUN_NOT_FOUND,    /* since there is no such command */
		RUN_NOT_EXECUTABLE, /* since it cannot be executed */
	} why;
};

/* Runs it in the box of ov. The caller has asked trace_check before. 0 when the command ran (whatever its status); -errno and err when it could not
 * be started, and ret->why tells whose fault that is. */
int trace_run(struct overlay *ov, const struct run_options *opt, struct run_result *ret, struct err *err);
void run_result_release(struct run_result *r);

/* What stands between a guest and the host on this kernel. */
enum wall_state { WALL_STANDS, WALL_WEAKER, WALL_MISSING };
struct wall {
	const char *name;         /* name: "seccomp user notification", ... */
	enum wall_state state;
	bool required;            /* required: without it cowbox refuses to start */
	char detail[160];         /* detail: what was found (ABI numbers, versions) */
	char effect[160];         /* effect: what follows when it is weaker or missing, "" when it stands */
};
#define WALLS_MAX 24
/* Probes by trying, not by version. Returns the number filled. */
size_t trace_probe(struct wall ret[static WALLS_MAX]);
/* True inside a box, where there can be no other: whatever the environment says, the walls are asked. */
bool trace_nested(void);
/* 0, or -ENOSYS and a line in err naming the first required wall that is missing. Quick: what run checks at its start. */
int trace_check(struct err *err);

#endif

/* exec.h - what has to be put right in a new program image before its first instruction, and the choice of what to run. */
#ifndef COWBOX_TRACE_EXEC_H
#define COWBOX_TRACE_EXEC_H

#include "remote.h"

struct exec_fix {
	char *execfn;      /* execfn: what AT_EXECFN's string is to be (it is not longer than what stands there); NULL: leave it */
	int execfn_argv;   /* execfn_argv: index of the argv string that AT_EXECFN is to point to instead; -1: none */
	char comm[16];     /* comm: the process's name; "" when the kernel's choice is right */
	char *native;      /* native: real path of a file that the kernel itself could run instead (for a thread that is being debugged,
			    * where the arguments cannot be steered); NULL: none */
	bool script;       /* script: native is one, so its interpreter opens it after exec */
};

void exec_fix_free(struct exec_fix *f);
/* r has just run a successful exec; its regs are the new image's. */
void exec_fix_apply(const struct exec_fix *f, struct remote *r);

#endif

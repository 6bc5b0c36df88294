/* no_handlers.c - stands in for the handlers where only the table is looked at. */
#include "../../src/trace/handlers.h"

#define ALLOW(nr, name, shape, truth)
#define REFUSE(nr, name, shape, code, truth)
#define CHECK(nr, name, shape, truth)
#define TRAP(nr, name, shape, truth)                   \
	int h_##name(struct call *c, struct answer *a) \
	{                                              \
		(void)c;                               \
		return answer_errno(a, 38);            \
	}
#define SPLIT(nr, name, shape, truth) TRAP(nr, name, shape, truth)
#include "../../src/trace/syscalls.def"

/* steer.h - making a guest thread run another call than the one it made.
 *
 *     notification held --seize--> held --addfd, interrupt, answer--> stopped --remote calls--> stopped --release--> on its way
 *
 * The notification is answered with ERESTARTNOINTR: should we die in between, the thread makes its call again and gets ENOSYS.
 * Data goes below the red zone of the thread's stack when it is small, else into a mapping made for it: some runtimes' stacks are
 * small, and what lies under them is not theirs.
 */
#ifndef COWBOX_TRACE_STEER_H
#define COWBOX_TRACE_STEER_H

#include "supervisor.h"

void steer_release(struct steer *s);
/* Answers the call by steering its thread. 0: done, or the guest is gone; -errno: nothing was answered, the guest is to get that errno. */
int steer_run(const struct call *c, struct steer *s);
/* The number of the argument that points to a call's first path; -1 when there is none. */
int steer_path_arg(long nr);

#define STEER_FD_FIELD "//////////"
#define STEER_FD_FIELD_SIZE 10
/* Writes fd's digits into the field, at its right end, so that the path may end there; before them is '/'. */
void steer_fill_field(char *field, int fd);

#endif

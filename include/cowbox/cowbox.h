/* cowbox.h - libcowbox: run programs over a copy-on-write view of the whole file system, and decide afterwards what becomes true.
 *
 *     #include <cowbox/cowbox.h>        compile and link with `pkg-config --cflags --libs cowbox`
 *
 * Calling sequence, from an empty machine to a commit:
 *
 *     cred_init()                              once, before there are threads
 *     trace_check(&err)                        does this kernel have what is required?
 *     store_open(true, &store, &err)           the store of this user
 *     box_create(store, name, command, &box, &err)   or box_open
 *     overlay_new(box, &ov, &err)              the view of the box
 *     hold = box_hold_running(box, &err)
 *     trace_run(ov, &options, &result, &err)   a program as a guest; may be called again, and by several processes at once
 *     close(hold)
 *     changes_collect(ov, 0, &changes, &err)   what it changed
 *     diff_write(ov, &changes, NULL, 0, 0, stdout, &err)
 *     hold = commit_hold(box, &err)            no runs from here on
 *     commit_plan_new(ov, &plan, &err); commit_choose(plan, (struct vpath){ "/" }); commit_settle(plan);
 *     commit_apply(plan, NULL, NULL, &result, &err)   or box_remove(store, box, &err)
 *     ..._free in the opposite order
 *
 * Functions return 0 or a positive number, or -errno; a struct err, where there is one, then holds a sentence for people. Results come through
 * ret_ parameters, which a failure leaves alone. Nothing here writes to the terminal but the tracer's warnings (log_level, base/log.h).
 * The view alone, without running anything, is overlay/overlay.h: a file system as a library, for any number of threads.
 */
#ifndef COWBOX_COWBOX_H
#define COWBOX_COWBOX_H

#include "base/cred.h"
#include "base/err.h"
#include "base/log.h"
#include "base/path.h"
#include "commit/commit.h"
#include "overlay/box.h"
#include "overlay/changes.h"
#include "overlay/origins.h"
#include "overlay/overlay.h"
#include "trace/run.h"

#endif

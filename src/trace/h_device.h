/* h_device.h - devices that the supervisor opens on a guest's behalf. Private to the h_*.c files. */
#ifndef COWBOX_TRACE_H_DEVICE_H
#define COWBOX_TRACE_H_DEVICE_H

#include "h_util.h"

/* The devices that a guest may open: what its Landlock domain lets it write to. */
enum device_kind {
	DEVICE_OTHER,  /* none of them */
	DEVICE_MEMORY, /* null, zero, full, random, urandom */
	DEVICE_PTMX,
	DEVICE_TTY,      /* /dev/tty: whatever terminal controls the opener */
	DEVICE_TERMINAL, /* a pseudo terminal */
};
enum device_kind device_kind(const struct stat *st);

/* Opens the object itself, found and judged before, with a guest's flags. A descriptor, or -errno. It never becomes our terminal. */
int device_reopen(uint64_t flags, const struct object *o);
/* Answers an open of a device of that kind (not DEVICE_OTHER), as if the guest had opened it, and leaves no path to the kernel. */
int device_open(struct call *c, struct answer *a, enum device_kind kind, uint64_t flags, const struct object *o);

#endif

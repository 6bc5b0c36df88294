/* err.h - errors as a person reads them.
 *
 * Functions return 0 (or a positive value) for success and -errno for failure. Where a person will read the reason, the last
 * parameter is a struct err *: it may be NULL, and is written only on failure. Callers add context outermost first:
 * "commit: /etc/hosts: permission denied".
 */
#ifndef COWBOX_BASE_ERR_H
#define COWBOX_BASE_ERR_H

#include <stdarg.h>

struct err {
	int code;        /* code: -errno of the failure */
	char msg[1024];  /* msg: what happened, to which path, and what to do next; no trailing newline */
};

/* Writes the message (printf style) and returns code, so that `return err_set(err, -ENOENT, ...)` reads well. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* As err_set, with ": " and the text of errno appended. */
int err_sys(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Puts "text: " in front of the message already there; returns err->code (or -EIO when err is NULL). */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

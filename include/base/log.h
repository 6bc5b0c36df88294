/* log.h - what cowbox says to people: one line a call on stderr, "cowbox: ...".
 * Libraries (overlay, commit) never log; they return a struct err. Only trace, cmd and main do. */
#ifndef COWBOX_BASE_LOG_H
#define COWBOX_BASE_LOG_H

/* LOG_QUIET leaves out warnings. */
enum log_level { LOG_QUIET, LOG_NORMAL, LOG_DEBUG };
extern enum log_level log_level;

void log_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));   /* a message for the user */
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));  /* "warning: " in front */
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* only with COWBOX_DEBUG=1 or --debug */

#endif

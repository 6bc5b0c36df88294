/* log.c - what cowbox says to people. Each message is one write, so that lines of several threads never mix. */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 8192

enum log_level log_level = LOG_NORMAL;

static __attribute__((constructor)) void level_from_env(void)
{
	const char *s = getenv("COWBOX_DEBUG");

	if (s && *s && strcmp(s, "0") != 0)
		log_level = LOG_DEBUG;
}

static void put_line(const char *line, size_t len)
{
	while (len) {
		ssize_t n = write(STDERR_FILENO, line, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			/* A guest shares our terminal and may have made it non-blocking. Not for ever: a message is not worth it. */
			struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

			if (poll(&p, 1, 1000) > 0)
				continue;
		}
		if (n <= 0)
			return;
		line += n;
		len -= (size_t)n;
	}
}

static __attribute__((format(printf, 2, 0))) void say(const char *prefix, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];
	int saved = errno, head, n;
	size_t len;

	head = snprintf(line, sizeof line, "cowbox: %s", prefix);
	n = vsnprintf(line + head, sizeof line - (size_t)head - 1, fmt, ap);
	if (n < 0)
		n = 0;
	len = (size_t)head + (size_t)n;
	if (len > sizeof line - 2)
		len = sizeof line - 2;
	line[len++] = '\n';
	put_line(line, len);
	errno = saved;
}

void log_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
}

void log_warn(const char *fmt, ...)
{
	va_list ap;

	if (log_level < LOG_NORMAL)
		return;
	va_start(ap, fmt);
	say("warning: ", fmt, ap);
	va_end(ap);
}

void log_debug(const char *fmt, ...)
{
	va_list ap;

	if (log_level < LOG_DEBUG)
		return;
	va_start(ap, fmt);
	say("debug: ", fmt, ap);
	va_end(ap);
}

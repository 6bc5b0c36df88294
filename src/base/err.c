/* err.c - errors as a person reads them. A message too long loses its path's middle before it loses the reason. */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CUT "..."

/* Puts head and tail into err->msg; what does not fit is cut from the end of head. */
static void put(struct err *err, const char *head, const char *tail)
{
	size_t head_len = strlen(head), tail_len = strlen(tail), room;

	if (tail_len >= sizeof err->msg)
		tail_len = sizeof err->msg - 1;
	room = sizeof err->msg - 1 - tail_len;
	if (head_len > room) {
		size_t cut = room < sizeof CUT - 1 ? room : sizeof CUT - 1;

		head_len = room - cut;
		memcpy(err->msg + head_len, CUT, cut);
		memcpy(err->msg, head, head_len);
		head_len += cut;
	} else {
		memcpy(err->msg, head, head_len);
	}
	memcpy(err->msg + head_len, tail, tail_len);
	err->msg[head_len + tail_len] = '\0';
}

/* Room for a head that has to be cut: one longer than any message. */
#define HEAD_MAX (sizeof((struct err *)0)->msg + 8)

int err_set(struct err *err, int code, const char *fmt, ...)
{
	char head[HEAD_MAX];
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	vsnprintf(head, sizeof head, fmt, ap);
	va_end(ap);
	err->code = code;
	put(err, head, "");
	return code;
}

int err_sys(struct err *err, int code, const char *fmt, ...)
{
	char head[HEAD_MAX], tail[128], text[96];
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	vsnprintf(head, sizeof head, fmt, ap);
	va_end(ap);
	snprintf(tail, sizeof tail, ": %s", strerror_r(code < 0 ? -code : code, text, sizeof text));
	err->code = code;
	put(err, head, tail);
	return code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char head[HEAD_MAX], tail[sizeof err->msg + 2];
	va_list ap;

	if (!err)
		return -EIO;
	va_start(ap, fmt);
	vsnprintf(head, sizeof head, fmt, ap);
	va_end(ap);
	snprintf(tail, sizeof tail, ": %s", err->msg);
	put(err, head, tail);
	return err->code;
}

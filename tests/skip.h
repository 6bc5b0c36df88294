/* skip.h - what a test leaves out, told so that it is seen: on its output, and in the file that $COWBOX_SKIP_LOG names, which tests/all.sh prints.
 *
 *     if (geteuid() != 0)
 *         SKIP("needs root");
 */
#ifndef TESTS_SKIP_H
#define TESTS_SKIP_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static inline __attribute__((format(printf, 1, 2))) void skip_note(const char *fmt, ...)
{
	const char *log = getenv("COWBOX_SKIP_LOG");
	char why[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	printf("skip: %s: %s\n", program_invocation_short_name, why);
	fflush(stdout);
	if (log && *log) {
		FILE *f = fopen(log, "ae");

		if (f) {
			fprintf(f, "%s: %s\n", program_invocation_short_name, why);
			fclose(f);
		}
	}
}

/* In a cmocka test. */
#define SKIP(...)                       \
	do {                            \
		skip_note(__VA_ARGS__); \
		skip();                 \
	} while (0)

#endif

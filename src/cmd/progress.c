/* progress.c - long work: how far it is, and whether it is to end. */
#include "cmd.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
#define ENDS (sizeof ends / sizeof *ends)

static struct {
	const char *what;
	bool terminal, shown;
	struct timespec last; /* last: time of the last line, before the first one of the beginning */
	struct sigaction before[ENDS];
} now;
static volatile sig_atomic_t wanted_end;

static void on_end(int sig)
{
	(void)sig;
	wanted_end = 1;
}

void progress_begin(const char *what)
{
	struct sigaction act = { .sa_handler = on_end };

	now.what = what;
	now.terminal = isatty(STDERR_FILENO);
	now.shown = false;
	wanted_end = 0;
	clock_gettime(CLOCK_MONOTONIC, &now.last);
	for (size_t i = 0; i < ENDS; i++) {
		sigaction(ends[i], NULL, &now.before[i]);
		/* What whoever started us wants ignored stays so. */
		if (now.before[i].sa_handler != SIG_IGN)
			sigaction(ends[i], &act, NULL);
	}
}

int progress_step(size_t done, size_t total)
{
	struct timespec t;

	if (wanted_end)
		return 1;
	if (!now.terminal)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &t);
	if ((t.tv_sec - now.last.tv_sec) * 1000 + (t.tv_nsec - now.last.tv_nsec) / 1000000 < (now.shown ? 100 : 1000))
		return 0;
	now.last = t;
	now.shown = true;
	fprintf(stderr, "\r%s: %zu of %zu", now.what, done, total);
	return 0;
}

void progress_end(void)
{
	for (size_t i = 0; i < ENDS; i++)
		sigaction(ends[i], &now.before[i], NULL);
	if (now.shown)
		fputs("\r\033[K", stderr);
}

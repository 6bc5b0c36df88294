/* term.c - the terminal: colours, questions, numbers as people read them. */
#include "cmd.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

int colour_parse(const char *text, enum colour_when *ret)
{
	if (strcmp(text, "auto") == 0)
		*ret = COLOUR_AUTO;
	else if (strcmp(text, "always") == 0 || strcmp(text, "yes") == 0)
		*ret = COLOUR_ALWAYS;
	else if (strcmp(text, "never") == 0 || strcmp(text, "no") == 0)
		*ret = COLOUR_NEVER;
	else
		return -EINVAL;
	return 0;
}

bool colour_wanted(enum colour_when when, int fd)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (when != COLOUR_AUTO)
		return when == COLOUR_ALWAYS;
	return !(no && *no) && isatty(fd) && !(term && strcmp(term, "dumb") == 0);
}

bool term_is_interactive(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

int term_columns(int fd)
{
	struct winsize size;

	return isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void term_take_back(void)
{
	sigset_t set, old;

	if (!isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) == getpgrp())
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGTTOU);
	sigprocmask(SIG_BLOCK, &set, &old);
	tcsetpgrp(STDIN_FILENO, getpgrp());
	sigprocmask(SIG_SETMASK, &old, NULL);
}

/* Reads one byte; a terminal that went away is the end of input. */
static int read_byte(void)
{
	unsigned char c;

	for (;;) {
		ssize_t n = read(STDIN_FILENO, &c, 1);

		if (n == 1)
			return c;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };

			poll(&p, 1, -1);
			continue;
		}
		return -1;
	}
}

int term_key(const char *question)
{
	struct termios old, raw;
	int c;

	if (tcgetattr(STDIN_FILENO, &old) < 0)
		return -1;
	raw = old;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_lflag |= ISIG;
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	/* What was typed for the program that has ended is no answer to us; what is typed once the question stands there is. */
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) < 0)
		return -1;
	fputs(question, stderr);
	fflush(stderr);
	c = read_byte();
	tcsetattr(STDIN_FILENO, TCSADRAIN, &old);
	return c;
}

static bool is_answer(const char *text, size_t len, const char *words)
{
	for (const char *w = words; *w; w += strspn(w, " ")) {
		size_t n = strcspn(w, " ");

		if ((len == 1 || len == n) && !strncasecmp(text, w, len))
			return true;
		w += n;
	}
	return false;
}

int term_ask(const char *question, const char *words)
{
	char line[64];
	size_t n = 0;
	int c;

	fputs(question, stderr);
	fflush(stderr);
	while ((c = read_byte()) >= 0 && c != '\n')
		if (n < sizeof line && (n || !isspace(c)))
			line[n++] = (char)c;
	while (n && isspace((unsigned char)line[n - 1]))
		n--;
	if (c < 0 && !n)
		return -1;
	return n && is_answer(line, n, words) ? tolower((unsigned char)line[0]) : 0;
}

char *size_text(uint64_t bytes, char ret[static 32])
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double x = (double)bytes;
	size_t k = 0;

	while (x >= 1024 && k + 1 < sizeof unit / sizeof *unit) {
		x /= 1024;
		k++;
	}
	snprintf(ret, 32, k == 0 || x >= 100 ? "%.0f %s" : "%.1f %s", x, unit[k]);
	return ret;
}

void text_cut(char *text, size_t columns)
{
	size_t at = 0, width = 0, fits = 0;
	mbstate_t state = { 0 };
	static bool located;

	/* For the width of characters alone, and only where it is asked for: numbers and times stay as they are. */
	if (!located)
		setlocale(LC_CTYPE, "");
	located = true;
	while (text[at]) {
		wchar_t c = 0;
		size_t n = mbrtowc(&c, text + at, strlen(text + at), &state);
		int w = n > 0 && n <= MB_LEN_MAX ? wcwidth(c) : -1;

		/* What the locale does not know takes a column a byte. */
		if (w < 0) {
			memset(&state, 0, sizeof state);
			n = w = 1;
		}
		if (width + (size_t)w > columns) {
			strcpy(text + fits, fits ? "..." : "");
			return;
		}
		width += (size_t)w;
		at += n;
		if (width + 3 <= columns)
			fits = at;
	}
}

char *age_text(int64_t seconds, char ret[static 32])
{
	static const struct {
		int64_t length;
		const char *unit;
	} steps[] = { { 86400 * 365, "y" }, { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };

	if (seconds < 1)
		seconds = 0;
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		if (seconds < steps[i].length && i + 1 < sizeof steps / sizeof *steps)
			continue;
		snprintf(ret, 32, "%lld %s", (long long)(seconds / steps[i].length), steps[i].unit);
		break;
	}
	return ret;
}

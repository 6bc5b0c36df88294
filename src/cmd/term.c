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

/* ---- waiting for an answer ----
 *
 * While a question stands, these signals only come through while we wait (no key is read and no signal lost in between):
 *   INT, TERM, HUP, QUIT   the end of input, so that the terminal gets its mode back and the caller can say what becomes of the box
 *   TSTP                   we stop, with the terminal as it was
 *   CONT                   the terminal's mode is set again, and the question written again: a shell had both meanwhile
 */

static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
#define ENDS (sizeof ends / sizeof *ends)
static volatile sig_atomic_t got_end, got_stop, got_cont;

static void on_signal(int sig)
{
	if (sig == SIGTSTP)
		got_stop = 1;
	else if (sig == SIGCONT)
		got_cont = 1;
	else
		got_end = sig;
}

struct question {
	const char *text;
	bool keys; /* keys: each key counts at once */
	struct termios old, raw;
	struct sigaction before[ENDS + 2];
	sigset_t mask, waiting; /* mask: ours from before, waiting: with which we wait */
};

static void take_signal(struct question *q, size_t i, int sig, sigset_t *held)
{
	struct sigaction act = { .sa_handler = on_signal };

	/* What whoever started us wants ignored stays so. */
	sigaction(sig, NULL, &q->before[i]);
	if (q->before[i].sa_handler == SIG_IGN && sig != SIGCONT)
		return;
	sigaction(sig, &act, NULL);
	sigaddset(held, sig);
	sigdelset(&q->waiting, sig);
}

static void show_question(const struct question *q)
{
	fputs(q->text, stderr);
	fflush(stderr);
}

/* how: TCSAFLUSH throws away what was typed before: for the program that has ended, it is no answer to us. */
static int set_mode(const struct question *q, const struct termios *mode, int how)
{
	return q->keys ? TEMP_FAILURE_RETRY(tcsetattr(STDIN_FILENO, how, mode)) : 0;
}

static int question_begin(struct question *q, const char *text, bool keys)
{
	sigset_t held;

	*q = (struct question){ .text = text, .keys = keys };
	if (keys && tcgetattr(STDIN_FILENO, &q->old) < 0)
		return -1;
	q->raw = q->old;
	q->raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	q->raw.c_lflag |= ISIG;
	q->raw.c_cc[VMIN] = 1;
	q->raw.c_cc[VTIME] = 0;
	got_end = got_stop = got_cont = 0;
	sigemptyset(&held);
	sigprocmask(SIG_BLOCK, NULL, &q->mask);
	q->waiting = q->mask;
	for (size_t i = 0; i < ENDS; i++)
		take_signal(q, i, ends[i], &held);
	take_signal(q, ENDS, SIGTSTP, &held);
	take_signal(q, ENDS + 1, SIGCONT, &held);
	sigprocmask(SIG_BLOCK, &held, NULL);
	set_mode(q, &q->raw, TCSAFLUSH);
	show_question(q);
	return 0;
}

static void question_end(struct question *q)
{
	set_mode(q, &q->old, TCSADRAIN);
	for (size_t i = 0; i < ENDS; i++)
		sigaction(ends[i], &q->before[i], NULL);
	sigaction(SIGTSTP, &q->before[ENDS], NULL);
	sigaction(SIGCONT, &q->before[ENDS + 1], NULL);
	sigprocmask(SIG_SETMASK, &q->mask, NULL);
}

/* ^Z: whoever waits for us sees that we stopped. Comes back when we are continued. */
static void stop_here(struct question *q)
{
	struct sigaction act = { .sa_handler = SIG_DFL }, old;
	sigset_t set, held;

	set_mode(q, &q->old, TCSADRAIN);
	sigaction(SIGTSTP, &act, &old);
	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &set, &held);
	sigprocmask(SIG_SETMASK, &held, NULL);
	sigaction(SIGTSTP, &old, NULL);
}

/* Waits until there is something to read: false when that will never be. */
static bool await_input(struct question *q)
{
	for (;;) {
		struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
		int n = ppoll(&p, 1, NULL, &q->waiting);

		if (got_end)
			return false;
		if (got_stop)
			stop_here(q);
		if (got_stop || got_cont) {
			got_stop = got_cont = 0;
			set_mode(q, &q->raw, TCSADRAIN);
			fputc('\r', stderr);
			show_question(q);
		} else if (n >= 0 || errno != EINTR) {
			return n > 0;
		}
	}
}

/* Reads one byte; a terminal that went away is the end of input. */
static int read_byte(struct question *q)
{
	unsigned char c;

	while (await_input(q)) {
		ssize_t n = read(STDIN_FILENO, &c, 1);

		if (n == 1)
			return c;
		if (n == 0 || (errno != EINTR && errno != EAGAIN))
			break;
	}
	return -1;
}

int term_key(const char *text)
{
	struct question q;
	int c;

	if (question_begin(&q, text, true) < 0)
		return -1;
	c = read_byte(&q);
	question_end(&q);
	return c;
}

/* Keys like the arrows send several bytes: what follows the first belongs to it. */
static void skip_sequence(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	char rest[16];

	while (poll(&p, 1, 20) > 0 && read(STDIN_FILENO, rest, sizeof rest) > 0)
		;
}

/* One of the keys; 0: another, or '?'. */
static int read_choice(const char *text, const char *keys)
{
	struct question q;
	int c;

	if (question_begin(&q, text, true) < 0)
		return TERM_INTERRUPTED;
	do
		c = read_byte(&q);
	while (c == '\n' || c == '\r' || c == ' ');
	if (c == KEY_ESCAPE)
		skip_sequence();
	question_end(&q);
	if (c > ' ' && c < 0x7f)
		fputc(c, stderr);
	fputc('\n', stderr);
	if (c == KEY_END)
		return TERM_END;
	if (c < 0)
		return TERM_INTERRUPTED;
	if (c && c != '?' && strchr(keys, c))
		return c;
	if (c > ' ' && c < 0x7f && c != '?')
		fprintf(stderr, "%c is no answer here:\n", c);
	else if (c != '?')
		fputs("that is no answer here:\n", stderr);
	return 0;
}

int term_choice(const char *text, const char *keys, const struct key_help *help)
{
	for (;;) {
		int key = read_choice(text, keys);

		if (key)
			return key;
		for (const struct key_help *k = help; k->key; k++)
			if (k->key == KEY_INTERRUPT)
				fprintf(stderr, "  ^C %s\n", k->text);
			else if (strchr(keys, k->key))
				fprintf(stderr, "  %c  %s\n", k->key, k->text);
	}
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

int term_ask(const char *text, const char *words)
{
	struct question q;
	char line[64];
	size_t n = 0;
	int c;

	if (question_begin(&q, text, false) < 0)
		return -1;
	while ((c = read_byte(&q)) >= 0 && c != '\n')
		if (n < sizeof line && (n || !isspace(c)))
			line[n++] = (char)c;
	question_end(&q);
	if (got_end || (c < 0 && !n))
		fputc('\n', stderr);
	/* A terminal that is gone is no ^D. */
	if (got_end || (c < 0 && !isatty(STDIN_FILENO)))
		return TERM_INTERRUPTED;
	while (n && isspace((unsigned char)line[n - 1]))
		n--;
	if (c < 0 && !n)
		return TERM_END;
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

void text_wrap(FILE *out, const char *text, size_t used, size_t indent, size_t columns)
{
	bool fresh = true; /* no word stands on the line yet */

	for (const char *word = text; *word; word += strspn(word, " ")) {
		size_t n = strcspn(word, " ");

		if (columns && !fresh && used + 1 + n > columns) {
			fprintf(out, "\n%*s", (int)indent, "");
			used = indent;
			fresh = true;
		}
		fprintf(out, "%s%.*s", fresh ? "" : " ", (int)n, word);
		used += n + !fresh;
		fresh = false;
		word += n;
	}
	fputc('\n', out);
}

void text_rest(FILE *out, const char *text, int used, int columns)
{
	char line[16384];

	text_printable(text, line, sizeof line);
	if (columns > 0)
		text_cut(line, columns > used + TEXT_REST_MIN ? (size_t)(columns - used) : TEXT_REST_MIN);
	fprintf(out, "%s\n", line);
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

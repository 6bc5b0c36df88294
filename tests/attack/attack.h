/* attack.h - what the attacks share. An attack is a program that tries to change, or to get at, something outside the box it runs in.
 *
 *     NAME PREY VICTIM_PID SECONDS
 *
 * PREY is a directory of the host (attack.sh makes it and seals it; attack_lib.sh says what is in it), VICTIM_PID a process outside that holds things worth
 * having (victim.c), SECONDS how long a race may take. The program makes its tries one by one, each by TRY(); what no seal would show, because it
 * was read or reached and not changed, it tells itself by reached(). It ends with `return attack_end();`.
 *
 * What it must not do: fail because a call is refused. Each try stands alone, for an ordinary user and for root.
 *
 * Natively, in a copy of PREY and with another victim, the same program is run too: there it must do harm (attack.sh looks for it), or else it
 * would prove nothing. A try that can do no harm natively either, for this user or on this kernel, does not count; a program all of whose tries
 * are such says why by attack_harmless().
 */
#ifndef ATTACK_H
#define ATTACK_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static const char *attack_prey;     /* attack_prey: absolute path of PREY */
static pid_t attack_victim;
static double attack_seconds;
static unsigned attack_tries;
static char attack_paths[8][4096];

static inline void attack_begin(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: %s PREY VICTIM_PID SECONDS\n", argv[0]);
		exit(2);
	}
	attack_prey = argv[1];
	attack_victim = (pid_t)atoi(argv[2]);
	attack_seconds = atof(argv[3]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
}

/* "PREY/name", in one of eight buffers that take turns. */
static inline const char *prey(const char *name)
{
	static unsigned turn;
	char *p = attack_paths[turn++ % 8];

	snprintf(p, sizeof attack_paths[0], "%s/%s", attack_prey, name);
	return p;
}

/* TRY(call): makes the call and counts it; what came of it is printed where ATTACK_VERBOSE is set. Its value is the call's. */
static inline long attack_try(const char *what, long r)
{
	int e = errno;

	attack_tries++;
	if (getenv("ATTACK_VERBOSE"))
		printf("%s = %ld%s%s\n", what, r, r < 0 ? " " : "", r < 0 ? strerrorname_np(e) : "");
	errno = e;
	return r;
}
#define TRY(call) attack_try(#call, (long)(call))

/* The attacker has got at something, which no seal shows. */
static inline void reached(const char *what)
{
	printf("REACHED: %s\n", what);
	fflush(stdout);
}

/* Natively this does no harm here, and why. */
static inline void attack_harmless(const char *why)
{
	printf("harmless natively: %s\n", why);
}

static inline double attack_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Runs fn in a child, which may be killed, hang (it is ended after `seconds`) or change what it likes in itself. Its wait status; -1: it hung. */
static inline int attack_child(void (*fn)(void *), void *arg, double seconds)
{
	fflush(stdout);
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		fn(arg);
		fflush(stdout);
		_exit(0);
	}
	attack_tries++;   /* the child's own count is lost with it */
	for (double end = attack_now() + seconds; attack_now() < end; usleep(1000))
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

static inline int attack_end(void)
{
	printf("tried %u\n", attack_tries);
	fflush(stdout);
	return 0;
}

#endif

#!/bin/bash
# A program whose threads work on the same files and directories at once.
. "$(dirname "$0")/lib.sh"
need gcc gcc

setup_threads() {
	local i
	cat >t.c <<'END'
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
enum { THREADS = 8, ROUNDS = 60 };
static pthread_barrier_t start;
static int made, unlinked, opened, unexpected;
#define COUNT(x) __atomic_add_fetch(&(x), 1, __ATOMIC_RELAXED)
static void *work(void *arg)
{
	long me = (long)arg;
	char name[64], other[64];
	pthread_barrier_wait(&start);
	for (int i = 0; i < ROUNDS; i++) {
		/* one winner only */
		snprintf(name, sizeof(name), "race/excl%d", i);
		int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
		if (fd >= 0) { COUNT(made); close(fd); }
		else if (errno != EEXIST) COUNT(unexpected);
		/* all copy up the same host file; each appends one line */
		snprintf(name, sizeof(name), "host/f%d", i);
		fd = open(name, O_WRONLY | O_APPEND);
		if (fd >= 0) { COUNT(opened); if (write(fd, "0123456789\n", 11) != 11) COUNT(unexpected); close(fd); }
		/* private create, rename, unlink */
		snprintf(name, sizeof(name), "race/p%ld-%d", me, i);
		snprintf(other, sizeof(other), "race/q%ld-%d", me, i);
		if (mkdir(name, 0755) || rename(name, other) || access(other, F_OK) || rmdir(other)) COUNT(unexpected);
		/* one of them removes it */
		snprintf(name, sizeof(name), "gone/g%d", i);
		if (unlink(name) == 0) COUNT(unlinked);
		else if (errno != ENOENT) COUNT(unexpected);
		if (i % 16 == 0) {
			DIR *d = opendir("host");
			int n = 0;
			while (d && readdir(d)) n++;
			if (n != ROUNDS + 2) COUNT(unexpected);
			if (d) closedir(d);
		}
	}
	return NULL;
}
int main(void)
{
	pthread_t t[THREADS];
	pthread_barrier_init(&start, NULL, THREADS);
	for (long i = 0; i < THREADS; i++) pthread_create(&t[i], NULL, work, (void *)i);
	for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
	printf("made %d opened %d unlinked %d unexpected %d\n", made, opened, unlinked, unexpected);
	return unexpected != 0;
}
END
	gcc -O1 -pthread -o t t.c
	mkdir race host gone
	for i in $(seq 0 59); do echo "host $i" >host/f$i; echo gone >gone/g$i; done
}
cmd_threads() { ./t && cat host/* | sort | uniq -c | sort -n | tail -1 && ls race | wc -l && ls gone | wc -l && cksum host/f7; }
cmd_processes() {
	local i j
	for i in 1 2 3 4; do
		(for j in $(seq 0 59); do echo "from" >>host/f$j; mkdir race/d$j 2>/dev/null && echo won >>"won.$i"; rm -f gone/g$j; done) &
	done
	wait
	cat won.* | wc -l
	rm won.*
	cat host/* | cksum
	ls gone | wc -l
}

both threads setup_threads cmd_threads
both processes setup_threads cmd_processes
finish

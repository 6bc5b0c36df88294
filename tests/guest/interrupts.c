/* Signals while calls are answered: handlers run, calls are restarted or fail with EINTR as on the host, nothing is done twice. */
#include "guest.h"
#include <signal.h>
#include <sys/time.h>

static volatile int ticks;

static void tick(int sig)
{
	(void)sig;
	ticks++;
}

int main(void)
{
	struct sigaction sa = { .sa_handler = tick, .sa_flags = SA_RESTART };
	struct itimerval it = { { 0, 500 }, { 0, 500 } };
	int bad = 0, made = 0;

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	for (int i = 0; i < 400; i++) {
		char name[32];
		int fd;

		snprintf(name, sizeof(name), "i%d", i);
		fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600);
		if (fd < 0)
			bad++;
		else
			made++;
		close(fd);
		if (mkdir("d", 0700) || rename("d", "e") || rmdir("e"))
			bad++;
		fd = open("host/f1", O_WRONLY | O_APPEND);
		if (fd < 0 || write(fd, ".", 1) != 1)
			bad++;
		close(fd);
		if (unlink(name))
			bad++;
		if (i % 20 == 0) {
			pid_t pid = fork();

			if (pid == 0) {
				execl("/bin/true", "true", (char *)0);
				_exit(1);
			}
			int status = -1;

			while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
				;
			if (status)
				bad++;
		}
	}
	memset(&it, 0, sizeof(it));
	setitimer(ITIMER_REAL, &it, NULL);
	printf("made %d bad %d ticked %d\n", made, bad, ticks > 10);
	guest_stat("host/f1");
	/* a thread killed in the middle leaves the rest working */
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			for (;;) {
				guest_put("killed", "text");
				rename("killed", "killed2");
			}
		}
		usleep(5000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	unlink("killed");
	SHOW(unlink("killed2"));
	SHOW(access("host/dir/a", F_OK));
	return 0;
}

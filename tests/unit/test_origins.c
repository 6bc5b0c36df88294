/* test_origins.c - the log of origins: what is written is read, and damage costs only what it hit. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "overlay/origins.h"

struct room {
	char path[256];
	int fd;
};

static int room_setup(void **state)
{
	struct room *room = calloc(1, sizeof *room);
	const char *tmp = getenv("TMPDIR");

	snprintf(room->path, sizeof room->path, "%s/cowbox-origins-XXXXXX", tmp ? tmp : "/var/tmp");
	if (!mkdtemp(room->path))
		return -1;
	room->fd = open(room->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = room;
	return room->fd < 0 ? -1 : 0;
}

static int room_teardown(void **state)
{
	struct room *room = *state;

	unlinkat(room->fd, "origins", 0);
	unlinkat(room->fd, "origins", AT_REMOVEDIR);
	unlinkat(room->fd, "stat", 0);
	close(room->fd);
	if (rmdir(room->path) < 0)
		print_message("kept %s\n", room->path);
	free(room);
	return 0;
}

static struct origin make_origin(const char *path)
{
	return (struct origin){
		.path = path, .kind = ORIGIN_REGULAR, .dev = 0x801, .ino = 0x1122334455667788, .size = 12345, .mtime_ns = 1700000000123456789,
		.ctime_ns = 1700000001000000001, .mode = S_IFREG | 0644, .uid = 1000, .gid = 100, .nlink = 2, .base_id = 77,
		.when_ns = 1700000002000000002, .pid = 4321, .comm = "tar",
	};
}

static void append_path(int fd, const char *path)
{
	struct origin o = make_origin(path);

	assert_int_equal(origins_append(fd, &o), 0);
}

static off_t log_size(const struct room *room)
{
	struct stat st;

	assert_int_equal(fstatat(room->fd, "origins", &st, 0), 0);
	return st.st_size;
}

static struct origins *load(const struct room *room)
{
	struct origins *o = NULL;
	struct err err = { 0 };

	assert_int_equal(origins_load(room->fd, &o, &err), 0);
	return o;
}

static void test_round_trip(void **state)
{
	struct room *room = *state;
	_cleanup_(origins_freep) struct origins *all = NULL;
	_cleanup_close_ int fd = -1;
	struct origin regular = make_origin("/etc/hosts");
	struct origin link = make_origin("/bin"), absent = { .path = "/tmp/new file\n\xff" };
	const struct origin *o;

	link.kind = ORIGIN_SYMLINK;
	link.target = "usr/bin";
	link.base_id = 0;
	link.moved = true;
	link.host_sum = origin_path_sum("/old/bin");
	assert_int_equal(origins_open(room->fd, &fd), 0);
	assert_int_equal(origins_append(fd, &regular), 0);
	assert_int_equal(origins_append(fd, &link), 0);
	assert_int_equal(origins_append(fd, &absent), 0);
	all = load(room);
	assert_int_equal(origins_count(all), 3);
	o = origins_find(all, "/etc/hosts");
	assert_non_null(o);
	assert_int_equal(o->kind, ORIGIN_REGULAR);
	assert_true(o->dev == regular.dev && o->ino == regular.ino && o->size == regular.size);
	assert_true(o->mtime_ns == regular.mtime_ns && o->ctime_ns == regular.ctime_ns && o->when_ns == regular.when_ns);
	assert_true(o->mode == regular.mode && o->uid == 1000 && o->gid == 100 && o->nlink == 2 && o->pid == 4321);
	assert_int_equal(o->base_id, 77);
	assert_string_equal(o->comm, "tar");
	assert_null(o->target);
	assert_true(!o->moved && origin_was_at(o, "/etc/hosts") && !origin_was_at(o, "/old/bin"));
	o = origins_find(all, "/bin");
	assert_non_null(o);
	assert_true(o->moved && origin_was_at(o, "/old/bin") && !origin_was_at(o, "/bin"));
	assert_string_equal(o->target, "usr/bin");
	assert_int_equal(o->base_id, 0);
	o = origins_find(all, absent.path);
	assert_non_null(o);
	assert_int_equal(o->kind, ORIGIN_ABSENT);
	assert_null(origins_find(all, "/etc/host"));
}

/* The bytes of one record, so that no change of the code changes the format. */
static void test_bytes(void **state)
{
	struct room *room = *state;
	_cleanup_close_ int fd = -1, log = -1;
	uint8_t b[256];

	assert_int_equal(origins_open(room->fd, &fd), 0);
	append_path(fd, "/a/bc");
	log = openat(room->fd, "origins", O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(log, b, sizeof b), 8 + 104);
	assert_memory_equal(b, "cbxorig1", 8);
	assert_memory_equal(b + 8, "\x68\0\0\0", 4);
	assert_memory_equal(b + 16, "\x01\x01\x05\0\0\0\x03\0", 8);
	assert_memory_equal(b + 24, "\x01\x08\0\0\0\0\0\0\x88\x77\x66\x55\x44\x33\x22\x11", 16);
	assert_memory_equal(b + 8 + 96, "/a/bctar", 8);
}

static void test_last_record_counts(void **state)
{
	struct room *room = *state;
	_cleanup_(origins_freep) struct origins *all = NULL;
	_cleanup_close_ int fd = -1;
	char path[64];

	assert_int_equal(origins_open(room->fd, &fd), 0);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 5000; i++) {
			struct origin o = make_origin(path);

			snprintf(path, sizeof path, "/dir/%d", i);
			o.size = (uint64_t)(round * 100000 + i);
			assert_int_equal(origins_append(fd, &o), 0);
		}
	all = load(room);
	assert_int_equal(origins_count(all), 5000);
	for (int i = 0; i < 5000; i++) {
		snprintf(path, sizeof path, "/dir/%d", i);
		assert_non_null(origins_find(all, path));
		assert_int_equal(origins_find(all, path)->size, 100000 + i);
	}
}

static void test_missing_and_refused(void **state)
{
	struct room *room = *state;
	_cleanup_(origins_freep) struct origins *all = load(room);
	_cleanup_close_ int fd = -1;
	struct origins *none = NULL;
	struct origin o = make_origin("relative");
	struct err err = { 0 };
	_cleanup_free_ char *huge = malloc(20001);
	off_t at = 0;

	assert_int_equal(origins_count(all), 0);
	assert_null(origins_find(all, "/"));
	assert_int_equal(origins_identities(room->fd, &at, NULL, NULL), 0);
	assert_int_equal(origins_open(room->fd, &fd), 0);
	assert_int_equal(origins_append(fd, &o), -EINVAL);
	memset(huge, '/', 20000);
	huge[20000] = '\0';
	o.path = huge;
	assert_int_equal(origins_append(fd, &o), -ENAMETOOLONG);
	assert_int_equal(log_size(room), 8);
	fd_closep(&fd);
	/* What is not a log of ours is neither believed nor touched. */
	fd = openat(room->fd, "origins", O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, "cbxorig2 and more", 17), 17);
	fd_closep(&fd);
	assert_int_equal(origins_open(room->fd, &fd), -EBADMSG);
	assert_int_equal(log_size(room), 17);
	origins_freep(&all);
	all = load(room);
	assert_int_equal(origins_count(all), 0);
	unlinkat(room->fd, "origins", 0);
	assert_int_equal(symlinkat("/etc/passwd", room->fd, "origins"), 0);
	assert_int_equal(origins_open(room->fd, &fd), -EBADMSG);
	assert_int_equal(origins_load(room->fd, &none, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "not a regular file"));
	assert_null(none);
	unlinkat(room->fd, "origins", 0);
	assert_int_equal(mkfifoat(room->fd, "origins", 0600), 0);
	assert_int_equal(origins_load(room->fd, &none, &err), -EBADMSG);
}

static void test_longest(void **state)
{
	struct room *room = *state;
	_cleanup_(origins_freep) struct origins *all = NULL;
	_cleanup_close_ int fd = -1;
	char path[4096] = "", target[4096];
	struct origin o = make_origin(path);

	memset(path, 'p', sizeof path);
	memset(target, 't', sizeof target);
	path[0] = '/';
	path[4095] = target[4095] = '\0';
	o.kind = ORIGIN_SYMLINK;
	o.target = target;
	assert_int_equal(origins_open(room->fd, &fd), 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(origins_append(fd, &o), 0);
	append_path(fd, "/z");
	all = load(room);
	assert_int_equal(origins_count(all), 2);
	assert_string_equal(origins_find(all, path)->target, target);
}

static void test_torn_tail(void **state)
{
	struct room *room = *state;
	_cleanup_(origins_freep) struct origins *all = NULL;
	_cleanup_close_ int fd = -1, other = -1, raw = -1;
	off_t whole;

	assert_int_equal(origins_open(room->fd, &fd), 0);
	append_path(fd, "/one");
	whole = log_size(room);
	append_path(fd, "/two");
	raw = openat(room->fd, "origins", O_RDWR | O_CLOEXEC);
	assert_int_equal(ftruncate(raw, log_size(room) - 8), 0);
	all = load(room);
	assert_int_equal(origins_count(all), 1);
	assert_int_equal(origins_open(room->fd, &other), 0);
	assert_int_equal(log_size(room), whole);
	append_path(other, "/three");
	/* A writer that was there all along sees that the log changed under it, and cuts what is torn before it goes on. */
	assert_int_equal(pwrite(raw, "\x68\0\0\0half a record", 17, log_size(room)), 17);
	append_path(fd, "/four");
	append_path(other, "/five");
	origins_freep(&all);
	all = load(room);
	assert_int_equal(origins_count(all), 4);
	assert_null(origins_find(all, "/two"));
	assert_non_null(origins_find(all, "/five"));
	/* The start itself torn. */
	assert_int_equal(ftruncate(raw, 3), 0);
	append_path(fd, "/six");
	origins_freep(&all);
	all = load(room);
	assert_int_equal(origins_count(all), 1);
}

static void test_append_fails_whole(void **state)
{
	struct room *room = *state;
	struct rlimit old, small;
	_cleanup_close_ int fd = -1;
	struct origin o = make_origin("/does/not/fit");
	off_t before;

	assert_int_equal(origins_open(room->fd, &fd), 0);
	append_path(fd, "/one");
	before = log_size(room);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = (rlim_t)before + 40;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(origins_append(fd, &o), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(log_size(room), before);
	for (uint64_t n = 1; n < 4; n++) {
		sys_fault(SYS_FAULT_FAIL, n, ENOSPC);
		if (origins_append(fd, &o) == 0)
			break;
		sys_fault(SYS_FAULT_OFF, 0, 0);
		assert_int_equal(log_size(room), before);
	}
	sys_fault(SYS_FAULT_OFF, 0, 0);
}

struct seen {
	uint64_t ino[16];
	int n, fail_at;
};

static int see(void *ctx, uint64_t dev, uint64_t ino)
{
	struct seen *s = ctx;

	assert_int_equal(dev, 5);
	if (s->n == s->fail_at)
		return -ENOMEM;
	s->ino[s->n++] = ino;
	return 0;
}

static void test_identities(void **state)
{
	struct room *room = *state;
	_cleanup_close_ int fd = -1;
	struct seen seen = { .fail_at = -1 };
	struct origin o = make_origin("/x");
	off_t at = 0;

	o.dev = 5;
	assert_int_equal(origins_open(room->fd, &fd), 0);
	assert_int_equal(origins_identities(room->fd, &at, see, &seen), 0);
	for (o.ino = 1; o.ino <= 3; o.ino++)
		assert_int_equal(origins_append(fd, &o), 0);
	assert_int_equal(origins_identities(room->fd, &at, see, &seen), 0);
	assert_int_equal(seen.n, 3);
	assert_int_equal(at, log_size(room));
	o.kind = ORIGIN_ABSENT;
	assert_int_equal(origins_append(fd, &o), 0);
	o.kind = ORIGIN_DIRECTORY;
	assert_int_equal(origins_append(fd, &o), 0);
	/* One that fails is told again. */
	seen.fail_at = 3;
	assert_int_equal(origins_identities(room->fd, &at, see, &seen), -ENOMEM);
	seen.fail_at = -1;
	assert_int_equal(origins_identities(room->fd, &at, see, &seen), 0);
	assert_int_equal(seen.n, 4);
	assert_int_equal(seen.ino[3], 4);
	assert_int_equal(at, log_size(room));
	assert_int_equal(origins_identities(room->fd, &at, see, &seen), 0);
	assert_int_equal(seen.n, 4);
}

static void test_same(void **state)
{
	struct room *room = *state;
	_cleanup_close_ int fd = openat(room->fd, "stat", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct origin o = { 0 };
	struct stat st, dir;

	assert_int_equal(fstat(fd, &st), 0);
	origin_from_stat(&o, &st);
	assert_int_equal(o.kind, ORIGIN_REGULAR);
	assert_int_equal(origin_same(&o, &st), 1);
	assert_int_equal(origin_same(&o, NULL), 0);
	st.st_mtim.tv_nsec ^= 1;
	assert_int_equal(origin_same(&o, &st), 0);
	st.st_mtim.tv_nsec ^= 1;
	st.st_size++;
	assert_int_equal(origin_same(&o, &st), 0);
	st.st_size--;
	st.st_ctim.tv_sec++;
	assert_int_equal(origin_same(&o, &st), 0);
	assert_int_equal(fstat(room->fd, &dir), 0);
	assert_int_equal(origin_same(&o, &dir), 0);
	origin_from_stat(&o, &dir);
	dir.st_mtim.tv_sec++;
	dir.st_size++;
	assert_int_equal(origin_same(&o, &dir), 1);
	dir.st_ino++;
	assert_int_equal(origin_same(&o, &dir), 0);
	origin_from_stat(&o, NULL);
	assert_int_equal(o.kind, ORIGIN_ABSENT);
	assert_int_equal(origin_same(&o, NULL), 1);
	assert_int_equal(origin_same(&o, &dir), 0);
	/* Before 1970. */
	st.st_mtim = (struct timespec){ .tv_sec = -5, .tv_nsec = 999999999 };
	origin_from_stat(&o, &st);
	assert_true((int64_t)o.mtime_ns == -4000000001);
	assert_int_equal(origin_same(&o, &st), 1);
}

/* ---- damage ---- */

#define FUZZ_RECORDS 40
#define FUZZ_ROUNDS 4000

static uint64_t next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static void fuzz_path(int i, char ret[static 300])
{
	int n = snprintf(ret, 300, "/record/%d/", i);

	memset(ret + n, 'x', (size_t)(i * 7 % 200));
	ret[n + i * 7 % 200] = '\0';
}

static void write_log(int raw, const uint8_t *bytes, size_t n)
{
	assert_int_equal(ftruncate(raw, 0), 0);
	assert_int_equal(pwrite(raw, bytes, n, 0), n);
}

/* Everything before the first damaged byte's record is there, and nothing that was never written. */
static void check_kept(const struct room *room, const off_t *ends, off_t damage)
{
	_cleanup_(origins_freep) struct origins *all = load(room);
	size_t kept = 0;
	char path[300];

	while (kept < FUZZ_RECORDS && ends[kept] <= damage)
		kept++;
	if (damage < 8)
		kept = 0;
	assert_int_equal(origins_count(all), kept);
	for (size_t i = 0; i < kept; i++) {
		fuzz_path((int)i, path);
		assert_non_null(origins_find(all, path));
	}
}

static void test_damage(void **state)
{
	struct room *room = *state;
	_cleanup_close_ int fd = -1, raw = -1;
	off_t ends[FUZZ_RECORDS], size;
	_cleanup_free_ uint8_t *good = NULL, *bad = NULL;
	uint64_t seed = 0x9e3779b97f4a7c15;
	char path[300];

	assert_int_equal(origins_open(room->fd, &fd), 0);
	for (int i = 0; i < FUZZ_RECORDS; i++) {
		fuzz_path(i, path);
		append_path(fd, path);
		ends[i] = log_size(room);
	}
	size = log_size(room);
	good = malloc((size_t)size);
	bad = malloc((size_t)size);
	raw = openat(room->fd, "origins", O_RDWR | O_CLOEXEC);
	assert_int_equal(read(raw, good, (size_t)size), size);
	for (int round = 0; round < FUZZ_ROUNDS; round++) {
		off_t first = size, len = size;
		int flips = (int)(next_random(&seed) % 4);

		memcpy(bad, good, (size_t)size);
		for (int i = 0; i < flips; i++) {
			off_t at = (off_t)(next_random(&seed) % (uint64_t)size);
			uint8_t bit = (uint8_t)(1 << next_random(&seed) % 8);

			bad[at] ^= bit;
			/* Two flips may meet. */
			if (bad[at] != good[at] && at < first)
				first = at;
		}
		if (flips == 0 || round % 3 == 0)
			len = (off_t)(next_random(&seed) % (uint64_t)(size + 1));
		for (first = 0; first < len && bad[first] == good[first];)
			first++;
		write_log(raw, bad, (size_t)len);
		check_kept(room, ends, first);
		/* A writer gets on with it. */
		if (round % 16 == 0) {
			_cleanup_close_ int w = -1;
			int r = origins_open(room->fd, &w);

			assert_int_equal(r, first < 8 && len >= 8 ? -EBADMSG : 0);
			if (r == 0) {
				check_kept(room, ends, first);
				append_path(w, "/after");
				_cleanup_(origins_freep) struct origins *all = load(room);
				assert_non_null(origins_find(all, "/after"));
			}
		}
	}
}

static void test_garbage(void **state)
{
	struct room *room = *state;
	_cleanup_close_ int raw = openat(room->fd, "origins", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	uint64_t seed = 12345;
	uint8_t bytes[4096];

	for (int round = 0; round < 500; round++) {
		_cleanup_(origins_freep) struct origins *all = NULL;

		for (size_t i = 0; i < sizeof bytes; i++)
			bytes[i] = (uint8_t)next_random(&seed);
		memcpy(bytes, "cbxorig1", 8);
		/* Sizes that look right, sums that are not. */
		bytes[8] = (uint8_t)(next_random(&seed) & 0xf8);
		bytes[9] = (uint8_t)(next_random(&seed) % 0x42);
		bytes[10] = bytes[11] = 0;
		write_log(raw, bytes, next_random(&seed) % sizeof bytes);
		all = load(room);
		assert_int_equal(origins_count(all), 0);
	}
	/* A file that looks endless ends at its first byte that is none. */
	assert_int_equal(ftruncate(raw, 0), 0);
	assert_int_equal(pwrite(raw, "cbxorig1", 8, 0), 8);
	assert_int_equal(ftruncate(raw, (off_t)1 << 40), 0);
	_cleanup_(origins_freep) struct origins *all = load(room);
	assert_int_equal(origins_count(all), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, room_setup, room_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_round_trip), T(test_bytes), T(test_last_record_counts), T(test_missing_and_refused), T(test_longest),
		T(test_torn_tail), T(test_append_fails_whole), T(test_identities), T(test_same), T(test_damage), T(test_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

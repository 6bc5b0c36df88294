/* test_commit_inplace.c - host files that keep their inode: they have the old content or the new, whatever fails. */
#include "commit_world.h"

#include "base/sys.h"

static size_t kept_originals(struct world *x)
{
	char cmd[PATH_MAX + 64];
	FILE *f;
	unsigned n = 99;

	snprintf(cmd, sizeof cmd, "ls %s/history 2>/dev/null | grep -vx lock | wc -l", x->store->path);
	f = popen(cmd, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%u", &n), 1);
	pclose(f);
	return n;
}

static void make_linked(struct world *x)
{
	host_write("f", "the old content\n");
	assert_int_equal(link("f", "g"), 0);
	box_write(x, "f", "new\n", O_TRUNC);
	box_append(x, "f", "longer than the old content is, and more\n");
}

/* The commit with its nth call failing; false when it has fewer. */
static bool nth_call_fails(struct world *x, unsigned long n)
{
	struct err err = { 0 };
	struct timespec before;
	bool met;

	make_linked(x);
	before = host_stat_of("f").st_mtim;
	plan(x);
	choose(x, "");
	commit_settle(x->plan);
	sys_fault(SYS_FAULT_FAIL, n, ENOSPC);
	assert_int_equal(commit_apply(x->plan, NULL, NULL, &x->result, &err), 0);
	met = sys_fault_count() >= n;
	sys_fault(SYS_FAULT_OFF, 0, 0);
	assert_int_equal(host_stat_of("f").st_nlink, 2);
	assert_true(commit_recover(x->store, NULL, NULL, &err) >= 0);
	if (find(x, "f")->outcome != COMMIT_DONE) {
		assert_int_equal(kept_originals(x), 0);
		assert_string_equal(host_read("f"), "the old content\n");
		assert_int_equal(host_stat_of("f").st_mtim.tv_nsec, before.tv_nsec);
		commit_all(x);
		assert_all(x);
	}
	assert_string_equal(host_read("g"), "new\nlonger than the old content is, and more\n");
	assert_clean(x->w);
	return met;
}

static void test_each_call_fails(void **state)
{
	bool met = true;

	(void)state;
	for (unsigned long n = 1; met; n++) {
		void *world = NULL;

		assert_int_equal(world_setup(&world), 0);
		met = nth_call_fails(world, n);
		assert_int_equal(world_teardown(&world), 0);
	}
}

/* Shorter, longer, and with holes. */
static void test_lengths(void **state)
{
	struct world *x = *state;
	static char want[3 << 20], got[sizeof want + 1];
	_cleanup_opened_ struct opened o;
	int fd;

	for (size_t i = 0; i < sizeof want; i++)
		want[i] = (char)(i * 7 >> 3);
	fd = dir_file(AT_FDCWD, "f", "", 0644);
	assert_int_equal(write(fd, want, 1 << 20), 1 << 20);
	close(fd);
	assert_int_equal(link("f", "g"), 0);
	box_begin(x);
	opened_init(&o);
	assert_int_equal(overlay_open(x->ov, &x->caller, view(x, "f"), O_WRONLY | O_TRUNC, 0644, 0, &o), 0);
	memset(want, 0, sizeof want);
	memcpy(want + 5000, "in the middle", 13);
	memcpy(want + (2 << 20), "behind the old end", 18);
	assert_int_equal(pwrite(o.fd, want + 5000, 13, 5000), 13);
	assert_int_equal(pwrite(o.fd, want + (2 << 20), 18, 2 << 20), 18);
	assert_int_equal(ftruncate(o.fd, sizeof want), 0);
	commit_all(x);
	assert_all(x);
	fd = open("g", O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, got, sizeof got), sizeof want);
	close(fd);
	assert_memory_equal(got, want, sizeof want);
	box_write(x, "g", "short\n", O_TRUNC);
	commit_all(x);
	assert_all(x);
	assert_string_equal(host_read("f"), "short\n");
}

/* The only name in the layer is gone again, but the other name of the host's file shows what was written. */
static void test_changed_then_removed(void **state)
{
	struct world *x = *state;

	assert_int_equal(mkdir("d", 0755), 0);
	host_write("f", "old\n");
	host_write("h", "old\n");
	assert_int_equal(link("f", "g") | link("h", "d/h"), 0);
	box_append(x, "f", "more\n");
	box_chmod(x, "f", 0700);
	box_unlink(x, "f");
	box_append(x, "d/h", "more\n");
	box_unlink(x, "d/h");
	box_rmdir(x, "d");
	commit_all(x);
	assert_string_equal(host_read("g"), "old\nmore\n");
	assert_int_equal(host_stat_of("g").st_mode & 07777, 0700);
	assert_string_equal(host_read("h"), "old\nmore\n");
	assert_int_equal(access("f", F_OK) & access("d", F_OK), -1);
	assert_all(x);
}

/* But what the host wrote into it since stays. */
static void test_changed_on_both_sides_then_removed(void **state)
{
	struct world *x = *state;

	host_write("f", "old\n");
	assert_int_equal(link("f", "g"), 0);
	box_append(x, "f", "more\n");
	box_unlink(x, "f");
	host_write("f", "the host's\n");
	box_unlink(x, "g");
	commit_all(x);
	assert_string_equal(host_read("f"), "the host's\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_call_fails),
		WORLD_TEST(test_lengths),
		WORLD_TEST(test_changed_then_removed),
		WORLD_TEST(test_changed_on_both_sides_then_removed),
	};

	cred_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

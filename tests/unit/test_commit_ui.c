/* test_commit_ui.c - what cowbox commit has of its own that needs no terminal: patterns, and work that must come to an end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commit_ui.h"

static void test_patterns(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool match;
	} rows[] = {
		{ "/a/*.c", "/a/x.c", true },
		{ "/a/*.c", "/a/x.h", false },
		{ "/a/*.c", "/a/b/x.c", false },
		{ "/a/*.c", "/a/x.c/below", true },
		{ "/a/*", "/a", false },
		{ "/a/?[0-9]", "/a/x7", true },
		{ "/a/[!x]", "/a/x", false },
		{ "/a/\\*", "/a/*", true },
		{ "/a/\\*", "/a/b", false },
		{ "/a/*", "/a/.hidden", true },
		{ "/**", "/any/thing", true },
		{ "/**/x.c", "/x.c", true },
		{ "/a/**/x.c", "/a/b/c/x.c", true },
		{ "/a/**/x.c", "/a/x.c", true },
		{ "/a/**/x.c", "/b/x.c", false },
		{ "/a/**/b/**/c", "/a/b/x/b/y/c", true },
		{ "/a/**/b/**/c", "/a/x/c", false },
		{ "/a/**/b/c", "/a/b/b/c", true },
		{ "/a/**/b/c", "/a/b/d/b", false },
		{ "/a**/x", "/ab/x", true },
		{ "/a**/x", "/ab/c/x", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (glob_match(rows[i].pattern, rows[i].path) != rows[i].match)
			fail_msg("%s, %s: not %d", rows[i].pattern, rows[i].path, rows[i].match);
}

/* Any number of "**" takes no longer than one. */
static void test_pattern_time(void **state)
{
	char pattern[512] = "", path[2048] = "";

	(void)state;
	for (int i = 0; i < 60; i++)
		strcat(pattern, "/**/a");
	strcat(pattern, "/b");
	for (int i = 0; i < 500; i++)
		strcat(path, "/a");
	assert_false(glob_match(pattern, path));
}

static int write_text(void *ctx, FILE *out)
{
	fputs(ctx, out);
	return 7;
}

static int fail_half(void *ctx, FILE *out)
{
	(void)ctx;
	fputs("half", out);
	return -ENODATA;
}

static int never_ends(void *ctx, FILE *out)
{
	volatile unsigned long n = 0;

	(void)ctx;
	(void)out;
	for (;;)
		n++;
	return 0;
}

static int crash(void *ctx, FILE *out)
{
	(void)ctx;
	(void)out;
	signal(SIGABRT, SIG_DFL);
	abort();
}

static void test_guard(void **state)
{
	char *text = NULL;
	size_t size = 0;

	(void)state;
	assert_int_equal(guard_run(write_text, (void *)"result", 5, &text, &size), 7);
	assert_int_equal(size, 6);
	assert_string_equal(text, "result");
	free(text);
	text = NULL;
	assert_int_equal(guard_run(fail_half, NULL, 5, &text, &size), -ENODATA);
	assert_int_equal(guard_run(crash, NULL, 5, &text, &size), -ETIME);
	assert_int_equal(guard_run(never_ends, NULL, 1, &text, &size), -ETIME);
	assert_null(text);
}

static void test_merge(void **state)
{
	struct sides s = { .base = { (char *)"1\n2\n3\n", 6 }, .box = { (char *)"one\n2\n3\n", 8 }, .host = { (char *)"1\n2\nthree\n", 10 },
		           .has_base = true, .has_host = true };
	struct merged m = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(sides_merge(&s, "box b", &m, &err), 1);
	assert_int_equal(m.size, 12);
	assert_memory_equal(m.data, "one\n2\nthree\n", 12);
	merged_release(&m);
	/* Without the original nobody can tell. */
	s.has_base = false;
	assert_int_equal(sides_merge(&s, "box b", &m, &err), 0);
	assert_true(merge_has_markers(m.data, m.size, m.marker_size));
	merged_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_pattern_time),
		cmocka_unit_test(test_guard),
		cmocka_unit_test(test_merge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

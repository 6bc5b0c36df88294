/* test_base_path.c - text operations on paths, as tables of what goes in and what comes out. */
#include "fixture.h"

#include "base/path.h"

static void below(void **state)
{
	static const struct {
		const char *path, *dir, *rest; /* rest: NULL for "not below" */
	} rows[] = {
		{ "/usr/lib", "/usr", "/lib" }, { "/usr", "/usr", "" },     { "/usrx", "/usr", NULL },
		{ "/us", "/usr", NULL },        { "/usr", "/", "/usr" },    { "/", "/", "" },
		{ "/", "/usr", NULL },          { "/a/b/c", "/a/b", "/c" }, { "/a/bc", "/a/b", NULL },
		{ "usr/lib", "usr", "/lib" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *rest = NULL;
		bool is = path_below(rows[i].path, rows[i].dir, &rest);

		assert_int_equal(is, rows[i].rest != NULL);
		assert_int_equal(path_below(rows[i].path, rows[i].dir, NULL), is);
		if (is)
			assert_string_equal(rest, rows[i].rest);
		else
			assert_null(rest);
	}
}

static void in_dev(void **state)
{
	(void)state;
	assert_true(path_in_dev("/dev"));
	assert_true(path_in_dev("/dev/fd/3"));
	assert_false(path_in_dev("/dev/shm"));
	assert_false(path_in_dev("/dev/shm/x"));
	assert_true(path_in_dev("/dev/shmx"));
	assert_false(path_in_dev("/devices"));
	assert_false(path_in_dev("/"));
}

static void join(void **state)
{
	static const struct {
		const char *dir, *name, *want;
	} rows[] = {
		{ "/usr", "lib", "/usr/lib" },
		{ "/", "usr", "/usr" },
		{ "/usr/", "lib", "/usr/lib" },
		{ "/usr", "/lib/x", "/usr/lib/x" },
		{ "/usr", "", "/usr" },
		{ "/", "", "/" },
		{ "/", "/x", "/x" },
		{ ".", "usr", "usr" },
		{ ".", "", "." },
		{ "a", "b", "a/b" },
		{ "", "x", "/x" },
	};
	char out[64], same[16] = "/usr";

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(path_join(out, sizeof out, rows[i].dir, rows[i].name), (int)strlen(rows[i].want));
		assert_string_equal(out, rows[i].want);
	}
	assert_int_equal(path_join(out, 9, "/usr", "lib"), 8);
	assert_int_equal(path_join(out, 8, "/usr", "lib"), -ENAMETOOLONG);
	assert_int_equal(path_join(same, sizeof same, same, "lib"), 8);
	assert_string_equal(same, "/usr/lib");
}

static void split(void **state)
{
	static const struct {
		const char *path, *dir, *name;
	} rows[] = {
		{ "/", "/", "" }, { "/usr", "/", "usr" }, { "/usr/lib", "/usr", "lib" }, { "x", ".", "x" }, { "a/b", "a", "b" },
	};
	char dir[64];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_string_equal(path_split(rows[i].path, dir, sizeof dir), rows[i].name);
		assert_string_equal(dir, rows[i].dir);
		assert_string_equal(path_split(rows[i].path, NULL, 0), rows[i].name);
	}
	assert_null(path_split("/usr/lib", dir, 4));
}

static void normalize(void **state)
{
	static const struct {
		const char *path, *cwd, *want;
	} rows[] = {
		{ "/", "/x", "/" },
		{ "//", "/x", "/" },
		{ "/a//b/", "/x", "/a/b" },
		{ "/a/./b/.", "/x", "/a/b" },
		{ "/a/../b", "/x", "/b" },
		{ "/..", "/x", "/" },
		{ "a", "/x", "/x/a" },
		{ "..", "/x/y", "/x" },
		{ "../../../a", "/x", "/a" },
		{ ".", "/", "/" },
		{ "a", "/", "/a" },
		{ "...", "/", "/..." },
		{ "/a/b/../../c", "/", "/c" },
		{ "/.a/..b", "/", "/.a/..b" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(path_normalize(rows[i].path, rows[i].cwd, out, sizeof out), (int)strlen(rows[i].want));
		assert_string_equal(out, rows[i].want);
	}
	assert_int_equal(path_normalize("", "/", out, sizeof out), -ENOENT);
	assert_int_equal(path_normalize("/abc", "/", out, 4), -ENAMETOOLONG);
	assert_int_equal(path_normalize("/abc", "/", out, 5), 4);
	assert_int_equal(path_normalize("/", "/", out, 2), 1);
}

static void printable(void **state)
{
	static const struct {
		const char *path, *want;
	} rows[] = {
		{ "/plain file", "/plain file" },
		{ "/\xc3\xa9t\xc3\xa9", "/\xc3\xa9t\xc3\xa9" },   /* two-byte characters */
		{ "/\xf0\x9f\x93\xa6", "/\xf0\x9f\x93\xa6" },     /* a four-byte one */
		{ "/\x1b[31m", "/\\033[31m" },                    /* escape */
		{ "/a\nb\t\x7f", "/a\\012b\\011\\177" },          /* control characters */
		{ "/\xff\xfe", "/\\377\\376" },                   /* never UTF-8 */
		{ "/\xc3", "/\\303" },                            /* cut short */
		{ "/\xc0\xaf", "/\\300\\257" },                   /* overlong */
		{ "/\xe0\x80\xaf", "/\\340\\200\\257" },          /* overlong */
		{ "/\xed\xa0\x80", "/\\355\\240\\200" },          /* a surrogate */
		{ "/\xf4\x90\x80\x80", "/\\364\\220\\200\\200" }, /* beyond the last character */
		{ "/\xc2\x9b"
		  "31m",
		  "/\\302\\23331m" }, /* C1 control */
		{ "/\xe2\x80\xae"
		  "txt",
		  "/\\342\\200\\256txt" }, /* turns the text round */
		{ "/\xe2\x80\x8b"
		  "f",
		  "/\\342\\200\\213f" }, /* takes no room */
		{ "/a\\033", "/a\\\\033" },   /* no escape: a name that looks like one */
		{ "\\\\", "\\\\\\\\" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_string_equal(path_printable(rows[i].path, out, sizeof out), rows[i].want);
	/* Never half an escape or half a character. */
	assert_string_equal(path_printable("ab\n", out, 6), "ab");
	assert_string_equal(path_printable("ab\\", out, 4), "ab");
	assert_string_equal(path_printable("ab\\", out, 5), "ab\\\\");
	/* What was printable once stays as it is. */
	assert_string_equal(text_printable("a\\012 \\ b\n", out, sizeof out), "a\\012 \\ b\\012");
	assert_string_equal(path_printable("ab\xc3\xa9", out, 4), "ab");
	assert_string_equal(path_printable("ab\xc3\xa9", out, 5), "ab\xc3\xa9");
}

static void relative(void **state)
{
	(void)state;
	assert_string_equal(path_relative("/"), ".");
	assert_string_equal(path_relative("/usr/lib"), "usr/lib");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(below),     cmocka_unit_test(in_dev),
		cmocka_unit_test(join),      cmocka_unit_test(split),
		cmocka_unit_test(normalize), cmocka_unit_test(printable), cmocka_unit_test(relative),
	};

	return cmocka_run_group_tests_name("base/path", tests, NULL, NULL);
}

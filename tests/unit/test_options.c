/* test_options.c - the option tables: parsing, wrong words, and the words suggested for them. */
#include "fixture.h"

#include "options.h"
#include "cmd.h"

static const struct option_row rows[] = {
	{ 'b', "box", "BOX", NULL, "a box" },
	{ 'a', "all", NULL, NULL, "all" },
	{ OPT_COLOR, "color", "WHEN", "always", "colour" },
	{ 'z', NULL, NULL, NULL, "NUL" },
	{ 0 },
};
static const struct verb plain = { .name = "plain", .usage = "", .summary = "", .exits = "", .options = rows };
static const struct verb stopping = { .name = "stopping", .usage = "", .summary = "", .exits = "", .options = rows, .stops = true };

/* Parses, and writes what came out as text: "b=x a | arg arg"; "!" for an error. */
static char *parse(const struct verb *v, const char *const *words)
{
	static char text[512];
	_cleanup_options_ struct options o = { 0 };
	size_t at = 0;
	int argc = 0, id;

	while (words[argc])
		argc++;
	assert_int_equal(options_init(&o, v, argc, (char **)words), 0);
	text[0] = '\0';
	while ((id = options_next(&o)) > 0) {
		at += (size_t)snprintf(text + at, sizeof text - at, id < 256 ? "%c" : "%d", id);
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%s ", o.value ? "=" : "", o.value ? o.value : "");
	}
	if (id < 0)
		return strcpy(text, "!");
	at += (size_t)snprintf(text + at, sizeof text - at, "|");
	for (size_t i = 0; i < o.nargs; i++)
		at += (size_t)snprintf(text + at, sizeof text - at, " %s", o.args[i]);
	return text;
}
#define PARSE(v, ...) parse(&(v), (const char *const[]){ __VA_ARGS__, NULL })

static void test_forms(void **state)
{
	(void)state;
	assert_string_equal(PARSE(plain, "-b", "x"), "b=x |");
	assert_string_equal(PARSE(plain, "-bx"), "b=x |");
	assert_string_equal(PARSE(plain, "-azb", "x", "y"), "a z b=x | y");
	assert_string_equal(PARSE(plain, "--box", "x"), "b=x |");
	assert_string_equal(PARSE(plain, "--box=x"), "b=x |");
	assert_string_equal(PARSE(plain, "--box="), "b= |");
	assert_string_equal(PARSE(plain, "-b", "-a"), "b=-a |");
	assert_string_equal(PARSE(plain, "p", "-a", "q"), "a | p q");
	assert_string_equal(PARSE(plain, "-a", "--", "-b", "--x"), "a | -b --x");
	assert_string_equal(PARSE(plain, "-"), "| -");
	assert_string_equal(PARSE(plain, "", "-a"), "a | ");
}

static void test_optional_value(void **state)
{
	char want[64];

	(void)state;
	snprintf(want, sizeof want, "%d=always | never", OPT_COLOR);
	assert_string_equal(PARSE(plain, "--color", "never"), want);
	snprintf(want, sizeof want, "%d=never |", OPT_COLOR);
	assert_string_equal(PARSE(plain, "--color=never"), want);
}

static void test_command_stops(void **state)
{
	(void)state;
	assert_string_equal(PARSE(stopping, "-a", "ls", "-a", "--box"), "a | ls -a --box");
	assert_string_equal(PARSE(stopping, "-b", "x", "--", "--all"), "b=x | --all");
	assert_string_equal(PARSE(stopping, "ls", "--", "x"), "| ls -- x");
}

static void test_wrong(void **state)
{
	(void)state;
	assert_string_equal(PARSE(plain, "--bxo"), "!");
	assert_string_equal(PARSE(plain, "-q"), "!");
	assert_string_equal(PARSE(plain, "-aq"), "!");
	assert_string_equal(PARSE(plain, "-b"), "!");
	assert_string_equal(PARSE(plain, "--box"), "!");
	assert_string_equal(PARSE(plain, "--all=yes"), "!");
	assert_string_equal(PARSE(plain, "--al"), "!");
	assert_string_equal(PARSE(plain, "---"), "!");
	assert_string_equal(PARSE(plain, "-b=x"), "!");
	assert_string_equal(PARSE(plain, "-b="), "!");
}

static void test_common(void **state)
{
	(void)state;
	assert_string_equal(PARSE(plain, "-h"), "h |");
	assert_string_equal(PARSE(plain, "--help"), "h |");
}

static void test_distance(void **state)
{
	(void)state;
	assert_int_equal(edit_distance("", ""), 0);
	assert_int_equal(edit_distance("abc", ""), 3);
	assert_int_equal(edit_distance("", "abc"), 3);
	assert_int_equal(edit_distance("status", "status"), 0);
	assert_int_equal(edit_distance("stauts", "status"), 1);
	assert_int_equal(edit_distance("statu", "status"), 1);
	assert_int_equal(edit_distance("comit", "commit"), 1);
	assert_int_equal(edit_distance("kitten", "sitting"), 3);
}

static const char *verb_at(const void *ctx, size_t i)
{
	(void)ctx;
	return verbs[i] ? verbs[i]->name : NULL;
}

static void test_nearest(void **state)
{
	(void)state;
	assert_string_equal(nearest_word("stats", verb_at, NULL), "status");
	assert_string_equal(nearest_word("comit", verb_at, NULL), "commit");
	assert_string_equal(nearest_word("dif", verb_at, NULL), "diff");
	assert_string_equal(nearest_word("disc", verb_at, NULL), "discard");
	assert_string_equal(nearest_word("doktor", verb_at, NULL), "doctor");
	assert_null(nearest_word("make", verb_at, NULL));
	assert_null(nearest_word("foo", verb_at, NULL));
	assert_null(nearest_word("q", verb_at, NULL));
	assert_null(nearest_word("", verb_at, NULL));
}

/* The synopsis has it, by its letter or by its name. */
static void assert_in_usage(const struct verb *v, const struct option_row *row)
{
	char text[64];

	snprintf(text, sizeof text, "-%c", row->id < 256 ? row->id : '-');
	if (row->id >= 256)
		snprintf(text, sizeof text, "--%s", row->name);
	if (!strstr(v->usage, text))
		fail_msg("%s: its synopsis has no %s", v->name, text);
}

static void test_wrap(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	text_wrap(f, "one two three", 4, 2, 11);
	text_wrap(f, "one two", 0, 0, 0);
	text_wrap(f, "extraordinarily long", 0, 1, 5);
	text_wrap(f, "", 0, 0, 9);
	fclose(f);
	assert_string_equal(text, "one two\n  three\none two\nextraordinarily\n long\n\n");
	free(text);
}

/* Every verb: a name, a summary, exit statuses; options with help, and no letter or name twice. */
static void test_tables(void **state)
{
	(void)state;
	for (size_t i = 0; verbs[i]; i++) {
		const struct verb *v = verbs[i];

		assert_non_null(v->run);
		assert_true(*v->name && *v->summary && *v->exits);
		for (const struct option_row *a = v->options; a && a->id; a++) {
			assert_true(*a->help);
			assert_true(a->name || a->id < 256);
			assert_in_usage(v, a);
			for (const struct option_row *b = a + 1; b->id; b++) {
				assert_int_not_equal(a->id, b->id);
				assert_false(a->name && b->name && strcmp(a->name, b->name) == 0);
			}
			for (const struct option_row *b = options_common; b->id; b++)
				assert_int_not_equal(a->id, b->id);
		}
	}
}

static char *text_of(void (*fn)(FILE *out, const void *arg), const void *arg)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	fn(f, arg);
	fclose(f);
	return text;
}

static void write_text(FILE *out, const void *arg)
{
	json_text(out, arg);
}

static void write_path(FILE *out, const void *arg)
{
	json_path(out, "path", arg);
}

static void check_text(void (*fn)(FILE *out, const void *arg), const char *in, const char *want)
{
	char *got = text_of(fn, in);

	assert_string_equal(got, want);
	free(got);
}

static void test_json(void **state)
{
	(void)state;
	check_text(write_text, "plain", "\"plain\"");
	check_text(write_text, "a\"b\\c\nd\x01", "\"a\\\"b\\\\c\\u000ad\\u0001\"");
	check_text(write_text, "caf\xc3\xa9", "\"caf\xc3\xa9\"");
	check_text(write_text, "caf\xe9", "\"caf\\u00e9\"");
	check_text(write_text, "\xed\xa0\x80", "\"\\u00ed\\u00a0\\u0080\"");
	check_text(write_path, "/x", "\"path\":\"/x\"");
	check_text(write_path, "/\xff", "\"path\":\"/\\u00ff\",\"path_bytes\":\"L/8=\"");
	check_text(write_path, "/a\xff", "\"path\":\"/a\\u00ff\",\"path_bytes\":\"L2H/\"");
	check_text(write_path, "/ab\xff", "\"path\":\"/ab\\u00ff\",\"path_bytes\":\"L2Fi/w==\"");
}

static void test_numbers(void **state)
{
	char text[32];

	(void)state;
	assert_string_equal(size_text(0, text), "0 B");
	assert_string_equal(size_text(1023, text), "1023 B");
	assert_string_equal(size_text(12288, text), "12.0 KiB");
	assert_string_equal(size_text(200u << 20, text), "200 MiB");
	assert_string_equal(age_text(-5, text), "0 s");
	assert_string_equal(age_text(59, text), "59 s");
	assert_string_equal(age_text(3600, text), "1 h");
	assert_string_equal(age_text(86400 * 400, text), "1 y");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),   cmocka_unit_test(test_optional_value), cmocka_unit_test(test_command_stops),
		cmocka_unit_test(test_wrong),   cmocka_unit_test(test_common),         cmocka_unit_test(test_distance),
		cmocka_unit_test(test_nearest), cmocka_unit_test(test_tables),         cmocka_unit_test(test_json),
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

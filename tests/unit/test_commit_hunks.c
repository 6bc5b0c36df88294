/* test_commit_hunks.c - hunks of two texts: what they show, splitting them, and every choice of them put together. */
#include "hunks_room.h"

#define NO_NEWLINE "\\ No newline at end of file\n"

/* ---- what is shown ---- */

static void equal_texts_have_no_hunks(void **state)
{
	static const char *const text[] = { "", "a", "a\n", "\n\n", "a\r\nb" };

	(void)state;
	for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
		struct hunks *h = hunks_of(text[i], text[i], 3);

		assert_int_equal(hunks_count(h), 0);
		expect_result(h, text[i]);
		hunks_free(h);
	}
	hunks_free(NULL);
}

/* One hunk: its text, and the result without it and with it. */
static void expect_one(const char *old, const char *new, unsigned context, const char *want)
{
	struct hunks *h = hunks_of(old, new, context);

	assert_int_equal(hunks_count(h), 1);
	assert_int_equal(hunks_state(h, 0), HUNK_UNDECIDED);
	expect_text(h, 0, want);
	expect_result(h, old);
	hunks_decide(h, 0, HUNK_LEFT);
	assert_int_equal(hunks_state(h, 0), HUNK_LEFT);
	expect_result(h, old);
	hunks_decide(h, 0, HUNK_CHOSEN);
	expect_result(h, new);
	hunks_free(h);
}

static void a_hunk_shows_its_change_and_what_is_around(void **state)
{
	(void)state;
	expect_one("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nX\n6\n7\n8\n9\n", 3,
	           "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+X\n 6\n 7\n 8\n");
	expect_one("1\n2\n3\n", "1\nX\nY\n3\n", 0, "@@ -2,1 +2,2 @@\n-2\n+X\n+Y\n");
	expect_one("1\n2\n3\n", "1\n3\n", 0, "@@ -2,1 +1,0 @@\n-2\n");
	expect_one("1\n2\n3\n", "1\n2\nX\n3\n", 0, "@@ -2,0 +3,1 @@\n+X\n");
	expect_one("1\n2\n", "X\n1\n2\n", 1, "@@ -1,1 +1,2 @@\n+X\n 1\n");
	expect_one("1\n2\n", "1\n2\nX\n", 5000000, "@@ -1,2 +1,3 @@\n 1\n 2\n+X\n");
	expect_one("1\n2\n3\n", "X\n2\nY\n", 4294967295u, "@@ -1,3 +1,3 @@\n-1\n+X\n 2\n-3\n+Y\n");
}

static void one_of_the_texts_may_be_empty(void **state)
{
	(void)state;
	expect_one("", "a\nb\n", 3, "@@ -0,0 +1,2 @@\n+a\n+b\n");
	expect_one("a\nb\n", "", 3, "@@ -1,2 +0,0 @@\n-a\n-b\n");
	expect_one("", "\n", 3, "@@ -0,0 +1,1 @@\n+\n");
	expect_one("", "a", 3, "@@ -0,0 +1,1 @@\n+a\n" NO_NEWLINE);
	expect_one("a", "", 3, "@@ -1,1 +0,0 @@\n-a\n" NO_NEWLINE);
}

static void a_missing_newline_is_told(void **state)
{
	(void)state;
	expect_one("1\n2\n3", "1\n2\nX", 1, "@@ -2,2 +2,2 @@\n 2\n-3\n" NO_NEWLINE "+X\n" NO_NEWLINE);
	expect_one("1\n2", "1\n2\n", 1, "@@ -1,2 +1,2 @@\n 1\n-2\n" NO_NEWLINE "+2\n");
	expect_one("1\n2\n", "1\n2", 1, "@@ -1,2 +1,2 @@\n 1\n-2\n+2\n" NO_NEWLINE);
	expect_one("1\n2", "X\n2", 1, "@@ -1,2 +1,2 @@\n-1\n+X\n 2\n" NO_NEWLINE);
	expect_one("1\n2", "1\n2\n3", 1, "@@ -1,2 +1,3 @@\n 1\n-2\n" NO_NEWLINE "+2\n+3\n" NO_NEWLINE);
}

static void line_endings_are_content(void **state)
{
	(void)state;
	expect_one("1\r\n2\r\n", "1\r\nX\r\n", 1, "@@ -1,2 +1,2 @@\n 1\r\n-2\r\n+X\r\n");
	expect_one("1\n", "1\r\n", 1, "@@ -1,1 +1,1 @@\n-1\n+1\r\n");
}

static void what_is_near_is_one_hunk(void **state)
{
	const char *old = "1\n2\n3\n4\n5\n6\n7\n8\n", *new = "X\n2\n3\n4\n5\n6\n7\nY\n";
	struct hunks *h = hunks_of(old, new, 3);

	(void)state;
	assert_int_equal(hunks_count(h), 1);
	assert_true(hunks_can_split(h, 0));
	hunks_free(h);
	h = hunks_of(old, new, 2);
	assert_int_equal(hunks_count(h), 2);
	assert_false(hunks_can_split(h, 0) || hunks_can_split(h, 1));
	expect_text(h, 0, "@@ -1,3 +1,3 @@\n-1\n+X\n 2\n 3\n");
	expect_text(h, 1, "@@ -6,3 +6,3 @@\n 6\n 7\n-8\n+Y\n");
	hunks_decide(h, 1, HUNK_CHOSEN);
	expect_result(h, "1\n2\n3\n4\n5\n6\n7\nY\n");
	hunks_free(h);
}

/* ---- splitting ---- */

static void a_split_makes_a_hunk_of_each_change(void **state)
{
	struct hunks *h = hunks_of("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "X\nY\n2\n3\n5\n6\n7\n8\nZ\n9\n", 3);

	(void)state;
	assert_int_equal(hunks_count(h), 1);
	hunks_decide(h, 0, HUNK_CHOSEN);
	assert_int_equal(hunks_split(h, 0), 3);
	assert_int_equal(hunks_count(h), 3);
	/* Context ends where another hunk changes something. */
	expect_text(h, 0, "@@ -1,3 +1,4 @@\n-1\n+X\n+Y\n 2\n 3\n");
	expect_text(h, 1, "@@ -2,6 +3,5 @@\n 2\n 3\n-4\n 5\n 6\n 7\n");
	expect_text(h, 2, "@@ -6,4 +6,5 @@\n 6\n 7\n 8\n+Z\n 9\n");
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(hunks_state(h, i), HUNK_CHOSEN);
		assert_false(hunks_can_split(h, i));
		assert_int_equal(hunks_split(h, i), 1);
	}
	expect_result(h, "X\nY\n2\n3\n5\n6\n7\n8\nZ\n9\n");
	hunks_decide(h, 1, HUNK_LEFT);
	expect_result(h, "X\nY\n2\n3\n4\n5\n6\n7\n8\nZ\n9\n");
	hunks_decide(h, 0, HUNK_LEFT);
	expect_result(h, "1\n2\n3\n4\n5\n6\n7\n8\nZ\n9\n");
	hunks_free(h);
}

static void a_split_moves_those_behind(void **state)
{
	struct hunks *h = hunks_of("1\n2\n3\n-\n-\n-\n7\n8\n9\n", "A\n2\nC\n-\n-\n-\nG\n8\nI\n", 1);

	(void)state;
	assert_int_equal(hunks_count(h), 2);
	hunks_decide(h, 1, HUNK_CHOSEN);
	assert_int_equal(hunks_split(h, 0), 2);
	assert_int_equal(hunks_count(h), 3);
	assert_int_equal(hunks_state(h, 0), HUNK_UNDECIDED);
	assert_int_equal(hunks_state(h, 2), HUNK_CHOSEN);
	assert_int_equal(hunks_split(h, 2), 2);
	hunks_decide(h, 2, HUNK_UNDECIDED);
	hunks_decide(h, 1, HUNK_CHOSEN);
	expect_result(h, "1\n2\nC\n-\n-\n-\n7\n8\nI\n");
	hunks_free(h);
}

/* ---- limits ---- */

static void expect_refused(const struct merge_side *old, const struct merge_side *new, int code, const char *words)
{
	struct hunks *h = NULL;
	struct err err = { 0 };

	assert_int_equal(hunks_new(old, new, 3, &h, &err), code);
	assert_null(h);
	assert_non_null(strstr(err.msg, words));
}

static void what_is_no_text_is_refused(void **state)
{
	char *big = calloc(1, MERGE_SIZE_MAX + 1);
	struct merge_side binary = { big, 1 }, large = { big, MERGE_SIZE_MAX + 1 }, plain = side("a\n");

	(void)state;
	assert_non_null(big);
	expect_refused(&binary, &plain, -EMEDIUMTYPE, "the old text is binary");
	expect_refused(&plain, &binary, -EMEDIUMTYPE, "the new text is binary");
	memset(big, '\n', large.size);
	expect_refused(&large, &plain, -EFBIG, "the old text is larger");
	large.size = MERGE_LINES_MAX + 1;
	expect_refused(&plain, &large, -EFBIG, "the new text has more than");
	free(big);
}

static void a_nul_byte_may_come_late(void **state)
{
	char old[9002], new[9003], *text;
	struct merge_side a = { old, sizeof old }, b = { new, sizeof new };
	struct hunks *h;
	size_t size;

	(void)state;
	memset(old, 'x', sizeof old);
	memcpy(old + 8998, "\0\nb\n", 4);
	memcpy(new, old, sizeof old);
	memcpy(new + 9000, "\0\0\n", 3);
	assert_int_equal(hunks_new(&a, &b, 0, &h, NULL), 0);
	assert_int_equal(hunks_count(h), 1);
	assert_int_equal(hunks_text(h, 0, &text, &size), 0);
	assert_int_equal(size, strlen("@@ -2,1 +2,1 @@\n-b\n+00\n"));
	assert_memory_equal(text, "@@ -2,1 +2,1 @@\n-b\n+\0\0\n", size);
	free(text);
	hunks_decide(h, 0, HUNK_CHOSEN);
	assert_int_equal(hunks_result(h, &text, &size), 0);
	assert_int_equal(size, sizeof new);
	assert_memory_equal(text, new, size);
	free(text);
	hunks_free(h);
}

static void one_line_may_be_all_there_is(void **state)
{
	char *old = malloc(MERGE_SIZE_MAX), *new = malloc(MERGE_SIZE_MAX), *text;
	struct merge_side a = { old, MERGE_SIZE_MAX }, b = { new, MERGE_SIZE_MAX };
	struct hunks *h;
	size_t size;

	(void)state;
	assert_true(old && new);
	memset(old, 'x', a.size);
	memset(new, 'x', b.size);
	new[b.size / 2] = 'y';
	assert_int_equal(hunks_new(&a, &b, 3, &h, NULL), 0);
	assert_int_equal(hunks_count(h), 1);
	assert_int_equal(hunks_text(h, 0, &text, &size), 0);
	assert_int_equal(size, strlen("@@ -1,1 +1,1 @@\n") + 2 * (1 + MERGE_SIZE_MAX + 1 + strlen(NO_NEWLINE)));
	/* It can be given back as it is. */
	assert_int_equal(hunks_edit(h, 0, text, size, NULL), 1);
	free(text);
	assert_int_equal(hunks_result(h, &text, &size), 0);
	assert_int_equal(size, b.size);
	assert_memory_equal(text, new, size);
	free(text);
	hunks_free(h);
	free(old);
	free(new);
}

/* Lines in turn changed and not. shown: how many hunks that makes. */
static void expect_many(size_t lines, unsigned context, size_t shown)
{
	char *old = malloc(3 * lines), *new = malloc(3 * lines), *text;
	struct merge_side a = { old, 0 }, b = { new, 0 };
	struct hunks *h;
	size_t size, half = 0;

	assert_true(old && new);
	for (size_t i = 0; i < lines; i++) {
		a.size += (size_t)sprintf(old + a.size, i % 2 ? "\n" : "a\n");
		b.size += (size_t)sprintf(new + b.size, i % 2 ? "\n" : "b\n");
	}
	assert_int_equal(hunks_new(&a, &b, context, &h, NULL), 0);
	assert_int_equal(hunks_count(h), shown);
	if (shown == 1)
		assert_int_equal(hunks_split(h, 0), (lines + 1) / 2);
	for (size_t i = 0; i < hunks_count(h); i++) {
		assert_int_equal(hunks_text(h, i, &text, &size), 0);
		free(text);
		hunks_decide(h, i, i % 2 ? HUNK_CHOSEN : HUNK_LEFT);
	}
	assert_int_equal(hunks_result(h, &text, &size), 0);
	assert_int_equal(size, a.size);
	for (size_t i = 0; i < size; i++)
		half += text[i] == 'b';
	assert_int_equal(half, hunks_count(h) / 2);
	free(text);
	decide_all(h, HUNK_CHOSEN);
	assert_int_equal(hunks_result(h, &text, &size), 0);
	assert_int_equal(size, b.size);
	assert_memory_equal(text, new, size);
	free(text);
	hunks_free(h);
	free(old);
	free(new);
}

static void many_changes_take_seconds(void **state)
{
	(void)state;
	expect_many(200000, 0, 100000);
	expect_many(200000, 3, 1);
	expect_many(2000000, 0, 1000000);
}

/* ---- every choice ---- */

/* The lines behind '+' and ' ' are those of the new text, where the head says. */
static void expect_in_new(const char *text, const char *new)
{
	size_t a, b, c, d;
	int head = 0;

	assert_int_equal(sscanf(text, "@@ -%zu,%zu +%zu,%zu @@%n", &a, &b, &c, &d, &head), 4);
	for (size_t i = d ? c - 1 : c; i; i--)
		new += strcspn(new, "\n") + 1;
	for (text += head + 1; *text;) {
		size_t n = strcspn(text, "\n");

		if (*text == '+' || *text == ' ') {
			assert_memory_equal(text + 1, new, n - 1);
			new += n - 1;
			assert_int_equal(*new != '\n', text[n + 1] == '\\');
			new += *new == '\n';
		}
		text += n + 1;
	}
}

static void choose_subsets(struct hunks *h, const char *old)
{
	size_t n = hunks_count(h);
	unsigned all = n < 6 ? 1u << n : 64;

	for (unsigned set = 0; set < all; set++) {
		for (size_t i = 0; i < n; i++)
			hunks_decide(h, i, (n < 6 ? set >> i & 1 : any(2)) ? HUNK_CHOSEN : any(2) ? HUNK_LEFT : HUNK_UNDECIDED);
		expect_as_shown(h, old);
	}
}

static void expect_ends(struct hunks *h, const char *old, const char *new)
{
	decide_all(h, HUNK_UNDECIDED);
	expect_result(h, old);
	decide_all(h, HUNK_CHOSEN);
	expect_result(h, new);
	for (size_t i = 0; i < hunks_count(h); i++) {
		char *text = text_of(h, i);

		expect_in_new(text, new);
		free(text);
	}
}

static void every_choice_is_what_its_hunks_show(void **state)
{
	(void)state;
	state_of_random = 1;
	for (int turn = 0; turn < 1500; turn++) {
		char old[TEXT_ROOM], new[TEXT_ROOM];
		struct hunks *h;

		any_old(old);
		if (any(8))
			any_new(old, new);
		else
			any_old(new);
		h = hunks_of(old, new, any(5));
		assert_int_equal(hunks_count(h) == 0, strcmp(old, new) == 0);
		expect_ends(h, old, new);
		choose_subsets(h, old);
		if (hunks_count(h)) {
			char *before = result_of(h);

			/* A split alone chooses nothing else. */
			hunks_split(h, any((unsigned)hunks_count(h)));
			expect_result(h, before);
			free(before);
		}
		choose_subsets(h, old);
		for (size_t i = hunks_count(h); i--;)
			hunks_split(h, i);
		for (size_t i = 0; i < hunks_count(h); i++)
			assert_false(hunks_can_split(h, i));
		choose_subsets(h, old);
		expect_ends(h, old, new);
		hunks_free(h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_texts_have_no_hunks),
		cmocka_unit_test(a_hunk_shows_its_change_and_what_is_around),
		cmocka_unit_test(one_of_the_texts_may_be_empty),
		cmocka_unit_test(a_missing_newline_is_told),
		cmocka_unit_test(line_endings_are_content),
		cmocka_unit_test(what_is_near_is_one_hunk),
		cmocka_unit_test(a_split_makes_a_hunk_of_each_change),
		cmocka_unit_test(a_split_moves_those_behind),
		cmocka_unit_test(what_is_no_text_is_refused),
		cmocka_unit_test(a_nul_byte_may_come_late),
		cmocka_unit_test(one_line_may_be_all_there_is),
		cmocka_unit_test(many_changes_take_seconds),
		cmocka_unit_test(every_choice_is_what_its_hunks_show),
	};

	return cmocka_run_group_tests_name("commit/hunks", tests, NULL, NULL);
}

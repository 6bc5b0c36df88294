/* test_commit_hunks_edit.c - hunks that a person edited: what is taken, what is refused and why, and that no bytes do harm. */
#include "hunks_room.h"

#define NO_NEWLINE "\\ No newline at end of file\n"

static const char old_text[] = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
static const char new_text[] = "1\n2\n3\nX\nY\n6\n7\n8\n9\n";
#define HUNK "@@ -3,4 +3,4 @@\n 3\n-4\n-5\n+X\n+Y\n 6\n"

static struct hunks *one_hunk(void)
{
	struct hunks *h = hunks_of(old_text, new_text, 1);

	expect_text(h, 0, HUNK);
	return h;
}

static int edit(struct hunks *h, size_t i, const char *text)
{
	struct err err = { 0 };
	int r = hunks_edit(h, i, text, strlen(text), &err);

	if (r < 0)
		fail_msg("%s", err.msg);
	return r;
}

/* What the edit makes of the old text. */
static void expect_edit(const char *text, const char *want)
{
	struct hunks *h = one_hunk();

	assert_int_equal(edit(h, 0, text), 1);
	assert_int_equal(hunks_count(h), 1);
	assert_int_equal(hunks_state(h, 0), HUNK_CHOSEN);
	expect_result(h, want);
	expect_as_shown(h, old_text);
	hunks_decide(h, 0, HUNK_LEFT);
	expect_result(h, old_text);
	hunks_free(h);
}

static void expect_refused_in(struct hunks *h, size_t i, const char *text, const char *why)
{
	enum hunk_state state = hunks_state(h, i);
	char *before = text_of(h, i);
	struct err err = { 0 };

	assert_int_equal(hunks_edit(h, i, text, strlen(text), &err), -EINVAL);
	assert_string_equal(err.msg, why);
	assert_int_equal(hunks_state(h, i), state);
	expect_text(h, i, before);
	free(before);
}

static void expect_refused(const char *text, const char *why)
{
	struct hunks *h = one_hunk();

	expect_refused_in(h, 0, text, why);
	hunks_free(h);
}

/* ---- what is taken ---- */

static void what_is_given_back_as_it_was_is_the_hunk(void **state)
{
	(void)state;
	expect_edit(HUNK, new_text);
}

static void lines_may_be_kept_dropped_changed_and_added(void **state)
{
	(void)state;
	expect_edit(" 3\n 4\n-5\n+Y\n 6\n", "1\n2\n3\n4\nY\n6\n7\n8\n9\n");
	expect_edit(" 3\n-4\n-5\n+Y\n 6\n", "1\n2\n3\nY\n6\n7\n8\n9\n");
	expect_edit(" 3\n-4\n-5\n+other\n+Y\n+\n+# no comment\n 6\n", "1\n2\n3\nother\nY\n\n# no comment\n6\n7\n8\n9\n");
	/* The lines around may change too, and be fewer at the end. */
	expect_edit("-3\n 4\n 5\n-6\n+six\n", "1\n2\n4\n5\nsix\n7\n8\n9\n");
	expect_edit("+first\n 3\n-4\n", "1\n2\nfirst\n3\n5\n6\n7\n8\n9\n");
	expect_edit("+first\n", "1\n2\nfirst\n3\n4\n5\n6\n7\n8\n9\n");
	expect_edit(" 3\n 4\n 5\n 6\n+last\n", "1\n2\n3\n4\n5\n6\nlast\n7\n8\n9\n");
	/* Any order within a change. */
	expect_edit(" 3\n+a\n-4\n+b\n-5\n+c\n 6\n", "1\n2\n3\na\nb\nc\n6\n7\n8\n9\n");
}

static void comments_heads_and_lost_blanks_are_read(void **state)
{
	struct hunks *h;

	(void)state;
	expect_edit("# words\n@@ any words @@\n# -3\n 3\n-4\n#\n-5\n+X\n# +Z\n+Y\n 6\n# the end", new_text);
	expect_edit(" 3\n-4\n-5\n+X\n+Y", new_text);
	expect_edit(" 3\n-4\n-5\n+X\n+Y\n\n\n# the end\n\n", new_text);
	h = hunks_of("\nb\n\r\nd\n", "\nB\n\r\nD\n", 3);
	assert_int_equal(edit(h, 0, "\n-b\n+B\n\r\n-d\n+D\n\r\n"), 1);
	expect_result(h, "\nB\n\r\nD\n");
	hunks_free(h);
	h = hunks_of("a\n\n\nd\n", "a\nd\n", 3);
	assert_int_equal(edit(h, 0, " a\n\n-\n d\n"), 1);
	expect_result(h, "a\n\nd\n");
	hunks_free(h);
}

static void a_hunk_without_changes_is_left(void **state)
{
	static const char *const text[] = {
		"", "\n", "\n\n", "# 3\n", "@@ -3,4 +3,4 @@\n", " 3\n 4\n 5\n 6\n", " 3\n", "# a\n\n# b"
	};

	(void)state;
	for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
		struct hunks *h = one_hunk();

		hunks_decide(h, 0, HUNK_CHOSEN);
		assert_int_equal(edit(h, 0, text[i]), 0);
		assert_int_equal(hunks_state(h, 0), HUNK_LEFT);
		expect_result(h, old_text);
		expect_text(h, 0, HUNK);
		hunks_decide(h, 0, HUNK_CHOSEN);
		expect_result(h, new_text);
		hunks_free(h);
	}
}

static void an_edited_hunk_is_a_hunk(void **state)
{
	struct hunks *h = hunks_of("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\nX\n3\n4\n5\n6\n7\nY\n9\n", 2);

	(void)state;
	assert_int_equal(hunks_count(h), 2);
	expect_text(h, 1, "@@ -6,4 +6,4 @@\n 6\n 7\n-8\n+Y\n 9\n");
	assert_int_equal(edit(h, 0, "+0\n 1\n-2\n 3\n-4\n+a\n+b\n"), 1);
	expect_text(h, 0, "@@ -1,6 +1,7 @@\n+0\n 1\n-2\n 3\n-4\n+a\n+b\n 5\n 6\n");
	/* Those behind are counted anew. */
	expect_text(h, 1, "@@ -6,4 +7,4 @@\n 6\n 7\n-8\n+Y\n 9\n");
	assert_int_equal(hunks_split(h, 0), 3);
	hunks_decide(h, 1, HUNK_LEFT);
	expect_result(h, "0\n1\n2\n3\na\nb\n5\n6\n7\n8\n9\n");
	/* A piece of an edit is edited again. */
	expect_text(h, 2, "@@ -3,4 +3,5 @@\n 3\n-4\n+a\n+b\n 5\n 6\n");
	assert_int_equal(edit(h, 2, " 3\n-4\n-5\n+c\n 6\n"), 1);
	expect_result(h, "0\n1\n2\n3\nc\n6\n7\n8\n9\n");
	expect_as_shown(h, "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
	hunks_decide(h, 1, HUNK_CHOSEN);
	expect_result(h, "0\n1\n3\nc\n6\n7\n8\n9\n");
	hunks_free(h);
}

/* Two hunks show the lines between them: what one changes there the other does not show any more. */
static void edits_keep_out_of_each_other(void **state)
{
	const char *old = "1\n2\n3\n4\n5\n";
	struct hunks *h = hunks_of(old, "X\n2\n3\n4\nY\n", 3);

	(void)state;
	hunks_split(h, 0);
	expect_text(h, 0, "@@ -1,4 +1,4 @@\n-1\n+X\n 2\n 3\n 4\n");
	assert_int_equal(edit(h, 0, "-1\n+X\n 2\n-3\n"), 1);
	expect_text(h, 1, "@@ -4,2 +3,2 @@\n 4\n-5\n+Y\n");
	expect_refused_in(h, 1, " 3\n 4\n-5\n", "line 1 of the edited hunk (\" 3\") is not what the file has there");
	assert_int_equal(edit(h, 1, "+a\n-4\n"), 1);
	expect_text(h, 0, "@@ -1,3 +1,2 @@\n-1\n+X\n 2\n-3\n");
	expect_refused_in(h, 0, "-1\n 2\n 3\n-4\n", "line 4 of the edited hunk (\"-4\") is beyond the lines that the hunk had");
	expect_result(h, "X\n2\na\n5\n");
	/* At one place both may add, in their order. */
	assert_int_equal(edit(h, 0, " 1\n 2\n 3\n+b\n"), 1);
	expect_result(h, "1\n2\n3\nb\na\n5\n");
	expect_as_shown(h, old);
	hunks_free(h);
}

/* ---- what is refused ---- */

static void what_does_not_fit_is_named(void **state)
{
	(void)state;
	expect_refused("@@ -3,4 +3,4 @@\n 3\n-five\n+X\n", "line 3 of the edited hunk (\"-five\") is not what the file has there");
	expect_refused("# a\n 3\n# b\n 5\n", "line 4 of the edited hunk (\" 5\") is not what the file has there");
	expect_refused(" 4\n-5\n", "line 1 of the edited hunk (\" 4\") is not what the file has there");
	expect_refused(" 3\n\n-4\n", "line 2 of the edited hunk (\" \") is not what the file has there");
	expect_refused(" 3\r\n-4\n", "line 1 of the edited hunk (\" 3\\015\") is not what the file has there");
	expect_refused("- 3\n", "line 1 of the edited hunk (\"- 3\") is not what the file has there");
	expect_refused(" 3\n 4\n 5\n 6\n 7\n", "line 5 of the edited hunk (\" 7\") is beyond the lines that the hunk had");
	expect_refused(" 3\n4\n", "line 2 of the edited hunk (\"4\") begins with none of ' ', '-', '+' and '#'");
	expect_refused("\t3\n", "line 1 of the edited hunk (\"\\0113\") begins with none of ' ', '-', '+' and '#'");
	expect_refused(" 3\n@@ -4,1 +4,1 @@\n-4\n",
	               "line 2 of the edited hunk (\"@@ -4,1 +4,1 @@\") begins with none of ' ', '-', '+' and '#'");
	expect_refused(NO_NEWLINE " 3\n",
	               "line 1 of the edited hunk (\"\\ No newline at end of file\") begins with none of ' ', '-', '+' and '#'");
	expect_refused("+\033[31mred0123456789012345678901234567890123456789012345678901234567890123456789\n 4\n",
	               "line 2 of the edited hunk (\" 4\") is not what the file has there");
	expect_refused("\033[31mred456789012345678901234567890123456789012345678901234567890123456789\n",
	               "line 1 of the edited hunk (\"\\033[31mred4567890123456789012345678901234567890123456789012345\") "
	               "begins with none of ' ', '-', '+' and '#'");
}

static void bytes_of_any_kind_are_lines(void **state)
{
	static const char text[] = " 3\n-4\n+a\0b\n";
	struct hunks *h = one_hunk();
	struct err err = { 0 };
	size_t size;
	char *result;

	(void)state;
	assert_int_equal(hunks_edit(h, 0, text, sizeof text - 1, NULL), 1);
	assert_int_equal(hunks_result(h, &result, &size), 0);
	assert_int_equal(size, 20);
	assert_memory_equal(result, "1\n2\n3\na\0b\n5\n6\n7\n8\n9\n", size);
	free(result);
	assert_int_equal(hunks_edit(h, 0, " 3\n-4\0\n", 7, &err), -EINVAL);
	assert_int_equal(hunks_edit(h, 0, "\0\n", 2, &err), -EINVAL);
	assert_string_equal(err.msg, "line 1 of the edited hunk (\"\") begins with none of ' ', '-', '+' and '#'");
	assert_int_equal(hunks_edit(h, 0, NULL, 0, &err), 0);
	hunks_free(h);
}

/* ---- the end of the file ---- */

static void a_missing_newline_is_kept_made_or_taken(void **state)
{
	struct hunks *h = hunks_of("1\n2", "1\n2\n3", 3);

	(void)state;
	expect_text(h, 0, "@@ -1,2 +1,3 @@\n 1\n-2\n" NO_NEWLINE "+2\n+3\n" NO_NEWLINE);
	assert_int_equal(edit(h, 0, " 1\n-2\n" NO_NEWLINE "+two\n" NO_NEWLINE), 1);
	expect_result(h, "1\ntwo");
	assert_int_equal(edit(h, 0, " 1\n-2\n\\ other words\n+two\n"), 1);
	expect_result(h, "1\ntwo\n");
	/* The last line stays as it is. */
	assert_int_equal(edit(h, 0, "-1\n+one\n 2\n" NO_NEWLINE), 1);
	expect_result(h, "one\n2");
	assert_int_equal(edit(h, 0, "-1\n+one\n"), 1);
	expect_result(h, "one\n2");
	/* It goes, and the one before it keeps its newline. */
	assert_int_equal(edit(h, 0, " 1\n-2\n" NO_NEWLINE), 1);
	expect_result(h, "1\n");
	expect_as_shown(h, "1\n2");
	assert_int_equal(edit(h, 0, "-1\n+a\n" NO_NEWLINE "-2\n" NO_NEWLINE), 1);
	expect_result(h, "a");
	hunks_free(h);
	h = hunks_of("", "a\n", 3);
	assert_int_equal(edit(h, 0, "+b\n" NO_NEWLINE), 1);
	expect_result(h, "b");
	hunks_free(h);
}

static void no_line_is_put_behind_a_bare_one(void **state)
{
	struct hunks *h = hunks_of("1\n2", "1\nX", 3);

	(void)state;
	expect_refused_in(h, 0, " 1\n-2\n+X\n", "line 2 of the edited hunk (\"-2\") has no newline in the file");
	expect_refused_in(h, 0, " 1\n" NO_NEWLINE "-2\n", "line 1 of the edited hunk (\" 1\") has a newline in the file");
	expect_refused_in(h, 0, " 1\n 2\n" NO_NEWLINE "+3\n",
	                  "line 4 of the edited hunk (\"+3\") comes behind a line without a newline");
	expect_refused_in(h, 0, " 1\n 2\n" NO_NEWLINE "+3\n+4\n" NO_NEWLINE,
	                  "line 5 of the edited hunk (\"+4\") comes behind a line without a newline");
	expect_refused_in(h, 0, "+0\n" NO_NEWLINE " 1\n",
	                  "line 1 of the edited hunk (\"+0\") has no newline, but there is more behind it");
	expect_refused_in(h, 0, " 1\n-2\n" NO_NEWLINE "+a\n" NO_NEWLINE "+b\n",
	                  "line 4 of the edited hunk (\"+a\") has no newline, but there is more behind it");
	expect_refused_in(h, 0, " 1\n-2\n" NO_NEWLINE "+a\n+\n" NO_NEWLINE,
	                  "line 5 of the edited hunk (\"+\") is no line: it has neither text nor a newline");
	expect_refused_in(h, 0, " 1\n-2\n" NO_NEWLINE NO_NEWLINE "+a\n",
	                  "line 4 of the edited hunk (\"\\ No newline at end of file\") begins with none of ' ', '-', '+' and '#'");
	hunks_free(h);
	/* The hunk behind adds at the end, too. */
	h = hunks_of("1\n2\n3\n", "X\n2\n3\n4\n", 3);
	hunks_split(h, 0);
	expect_refused_in(h, 0, " 1\n 2\n 3\n+a\n" NO_NEWLINE,
	                  "line 4 of the edited hunk (\"+a\") has no newline, but there is more behind it");
	assert_int_equal(edit(h, 0, " 1\n 2\n 3\n+a\n"), 1);
	assert_int_equal(edit(h, 1, "+b\n" NO_NEWLINE), 1);
	expect_result(h, "1\n2\n3\na\nb");
	hunks_free(h);
}

/* ---- limits ---- */

static void what_is_too_large_is_refused(void **state)
{
	char *text = malloc(HUNKS_EDIT_MAX + 1);
	struct hunks *h = one_hunk();
	struct err err = { 0 };

	(void)state;
	assert_non_null(text);
	memset(text, '\n', HUNKS_EDIT_MAX + 1);
	assert_int_equal(hunks_edit(h, 0, text, HUNKS_EDIT_MAX + 1, &err), -EFBIG);
	assert_non_null(strstr(err.msg, "larger than 24 MiB"));
	assert_int_equal(hunks_edit(h, 0, text, HUNKS_EDIT_MAX, &err), 0);
	memset(text, 'x', MERGE_SIZE_MAX + 1);
	text[0] = '+';
	assert_int_equal(hunks_edit(h, 0, text, MERGE_SIZE_MAX + 1, &err), -EFBIG);
	assert_non_null(strstr(err.msg, "adds more than 8 MiB"));
	assert_int_equal(hunks_edit(h, 0, text, MERGE_SIZE_MAX, &err), 1);
	hunks_free(h);
	free(text);
}

static void many_lines_take_seconds(void **state)
{
	size_t lines = 100000, a = 0, b = 0, size, again;
	char *old = malloc(16 * lines), *new = malloc(16 * lines), *text, *result;
	struct hunks *h;

	(void)state;
	assert_true(old && new);
	for (size_t i = 0; i < 2 * lines; i++) {
		a += (size_t)sprintf(old + a, "%zx\n", i);
		b += (size_t)sprintf(new + b, i % 2 ? "%zx\n" : "%zxn\n", i);
	}
	h = hunks_of(old, new, 3);
	assert_int_equal(hunks_count(h), 1);
	assert_int_equal(hunks_text(h, 0, &text, &size), 0);
	assert_int_equal(hunks_edit(h, 0, text, size, NULL), 1);
	assert_int_equal(hunks_result(h, &result, &again), 0);
	assert_int_equal(again, b);
	assert_memory_equal(result, new, b);
	assert_int_equal(hunks_split(h, 0), lines);
	free(result);
	/* All of it as comments, and as lines without an end. */
	memset(text, '#', size);
	assert_int_equal(hunks_edit(h, 7, text, size, NULL), 0);
	memset(text, ' ', size);
	assert_int_equal(hunks_edit(h, 7, text, size, NULL), -EINVAL);
	free(text);
	hunks_free(h);
	free(old);
	free(new);
}

/* ---- random edits ---- */

/* Edits as people make them; what has no newline is left alone, as most edits of it are not valid. */
static void any_edit(const char *text, char *ret)
{
	char *to = ret;

	while (*text) {
		size_t n = strcspn(text, "\n") + 1;
		bool bare = text[n] == '\\';
		unsigned what = any(10);

		if (*text == '-' && what < 3) {
			to = mempcpy(to, text, n);
			*(to - n) = ' ';
		} else if (*text == ' ' && what < 2) {
			to = mempcpy(to, text, n);
			*(to - n) = '-';
		} else if (*text == '+' && !bare && what < 3) {
			if (what)
				to += sprintf(to, "+new %u\n", any(9));
		} else {
			to = mempcpy(to, text, n);
		}
		if (!bare && *text != '@' && *text != '\\' && any(8) == 0)
			to += sprintf(to, any(2) ? "+more\n" : "# more\n");
		text += n;
	}
	*to = '\0';
}

/* All lines but the last of a result end with a newline: none were put together that were two. */
static void random_edits_come_out_as_they_are_shown(void **state)
{
	unsigned taken = 0, refused = 0, emptied = 0;

	(void)state;
	state_of_random = 17;
	for (int turn = 0; turn < 3000; turn++) {
		char old[TEXT_ROOM], new[TEXT_ROOM], edited[8 * TEXT_ROOM];
		struct hunks *h;

		any_old(old);
		any_new(old, new);
		h = hunks_of(old, new, any(4));
		for (int k = 0; k < 4 && hunks_count(h); k++) {
			size_t i = any((unsigned)hunks_count(h));
			char *text = text_of(h, i);
			struct err err = { 0 };
			int r;

			if (any(2))
				decide_all(h, HUNK_CHOSEN);
			any_edit(text, edited);
			r = hunks_edit(h, i, edited, strlen(edited), &err);
			taken += r > 0;
			emptied += r == 0;
			refused += r < 0;
			/* Only the end of the file can make such an edit wrong. */
			assert_true(r >= 0 || (r == -EINVAL && strstr(err.msg, "newline")));
			expect_as_shown(h, old);
			if (!any(3))
				hunks_split(h, any((unsigned)hunks_count(h)));
			expect_as_shown(h, old);
			free(text);
		}
		decide_all(h, HUNK_LEFT);
		expect_result(h, old);
		hunks_free(h);
	}
	assert_true(taken > 2000 && emptied > 20 && refused > 20);
}

/* Bytes without any sense, in a buffer of their size, so that a sanitizer sees each step beyond. */
static void random_bytes_do_no_harm(void **state)
{
	unsigned taken = 0;

	(void)state;
	state_of_random = 23;
	for (int turn = 0; turn < 3000; turn++) {
		char old[TEXT_ROOM], new[TEXT_ROOM];
		struct hunks *h;

		any_old(old);
		any_new(old, new);
		h = hunks_of(old, new, any(4));
		for (int k = 0; k < 8 && hunks_count(h); k++) {
			size_t i = any((unsigned)hunks_count(h)), size = any(60);
			char *text = text_of(h, i), *bytes;

			/* Half of them begin as the hunk does. */
			size = any(2) && strlen(text) < size ? strlen(text) : size;
			bytes = malloc(size);
			assert_true(bytes || !size);
			for (size_t n = 0; n < size; n++)
				bytes[n] = n < strlen(text) && any(30) ? text[n] : " -+#\\@\n\r\tab"[any(11)];
			taken += hunks_edit(h, i, bytes, size, NULL) > 0;
			expect_as_shown(h, old);
			free(bytes);
			free(text);
		}
		hunks_free(h);
	}
	assert_true(taken > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_given_back_as_it_was_is_the_hunk),
		cmocka_unit_test(lines_may_be_kept_dropped_changed_and_added),
		cmocka_unit_test(comments_heads_and_lost_blanks_are_read),
		cmocka_unit_test(a_hunk_without_changes_is_left),
		cmocka_unit_test(an_edited_hunk_is_a_hunk),
		cmocka_unit_test(edits_keep_out_of_each_other),
		cmocka_unit_test(what_does_not_fit_is_named),
		cmocka_unit_test(bytes_of_any_kind_are_lines),
		cmocka_unit_test(a_missing_newline_is_kept_made_or_taken),
		cmocka_unit_test(no_line_is_put_behind_a_bare_one),
		cmocka_unit_test(what_is_too_large_is_refused),
		cmocka_unit_test(many_lines_take_seconds),
		cmocka_unit_test(random_edits_come_out_as_they_are_shown),
		cmocka_unit_test(random_bytes_do_no_harm),
	};

	return cmocka_run_group_tests_name("commit/hunk_edit", tests, NULL, NULL);
}

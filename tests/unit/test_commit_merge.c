/* test_commit_merge.c - three-way merge of texts: every byte of clean results and of conflicts, limits, and sides that change while they are read. */
#include "fixture.h"

#include <pthread.h>

#include "commit/merge.h"

/* ---- tools ---- */

static struct merge_side side(const char *text)
{
	return (struct merge_side){ (char *)text, strlen(text) };
}

static void expect_flags(const char *base, const char *box, const char *host, unsigned flags, size_t conflicts, const char *want)
{
	struct merge_side b = side(base ? base : ""), x = side(box), h = side(host);
	struct merged m;
	struct err err = { 0 };
	int r = merge_text(base ? &b : NULL, &x, &h, "box demo", "host", flags, &m, &err);

	if (r < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(m.data, want);
	assert_int_equal(m.size, strlen(want));
	assert_int_equal(m.conflicts, conflicts);
	assert_int_equal(r, conflicts == 0);
	assert_int_equal(merge_has_markers(m.data, m.size, m.marker_size), conflicts > 0);
	merged_release(&m);
	assert_null(m.data);
}

static void expect_clean(const char *base, const char *box, const char *host, const char *want)
{
	expect_flags(base, box, host, 0, 0, want);
	expect_flags(base, box, host, MERGE_ORIGINAL, 0, want);
	expect_flags(base, host, box, 0, 0, want);
}

static void expect_conflict(const char *base, const char *box, const char *host, const char *want)
{
	expect_flags(base, box, host, 0, 1, want);
}

static void expect_error(const struct merge_side *base, const struct merge_side *box, const struct merge_side *host, int code,
                         const char *words)
{
	struct merged m = { .size = 42 };
	struct err err = { 0 };

	assert_int_equal(merge_text(base, box, host, "box", "host", 0, &m, &err), code);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.msg, words));
	assert_int_equal(m.size, 42);
	assert_null(m.data);
}

/* ---- clean ---- */

static void one_side_unchanged_gives_the_other(void **state)
{
	static const char *const text[] = { "",          "\n",      "a",    "a\n", "a\r\nb\r\n",
		                            "a\nb\r\nc", "a\n\n\n", "\r\n", "\r",  "<<<<<<< box\n=======\n>>>>>>> host\n" };

	(void)state;
	for (size_t i = 0; i < sizeof text / sizeof *text; i++)
		for (size_t k = 0; k < sizeof text / sizeof *text; k++) {
			struct merge_side a = side(text[i]), b = side(text[k]);
			struct merged m;

			for (int turn = 0; turn < 2; turn++) {
				assert_int_equal(merge_text(&a, turn ? &a : &b, turn ? &b : &a, "box", "host", 0, &m, NULL), 1);
				assert_int_equal(m.size, b.size);
				assert_memory_equal(m.data, text[k], b.size + 1);
				assert_int_equal(m.conflicts, 0);
				merged_release(&m);
			}
		}
}

static void changes_apart_are_both_taken(void **state)
{
	(void)state;
	expect_clean("a\nb\nc\nd\ne\n", "A\nb\nc\nd\ne\n", "a\nb\nc\nd\nE\n", "A\nb\nc\nd\nE\n");
	expect_clean("a\nb\nc\n", "new\na\nb\nc\n", "a\nb\nc\nlast\n", "new\na\nb\nc\nlast\n");
	/* One deletes, one changes. */
	expect_clean("a\nb\nc\nd\n", "b\nc\nd\n", "a\nb\nc\nD\n", "b\nc\nD\n");
}

static void the_same_change_is_taken_once(void **state)
{
	(void)state;
	expect_clean("a\nb\nc\n", "a\nB\nc\n", "a\nB\nc\n", "a\nB\nc\n");
	expect_clean("a\nb\nc\nd\n", "a\nB\nc\nd\n", "a\nB\nc\nd\ne\n", "a\nB\nc\nd\ne\n");
	/* Both delete b, and each does something else. */
	expect_clean("1\nb\n2\n3\n4\n5\n", "0\n1\n2\n3\n4\n5\n", "1\n2\n3\n4\n5\n6\n", "0\n1\n2\n3\n4\n5\n6\n");
	expect_clean("a\n", "", "", "");
	expect_clean("", "a", "a", "a");
	expect_clean(NULL, "a\nb", "a\nb", "a\nb");
	expect_clean(NULL, "", "", "");
}

static void line_endings_are_content(void **state)
{
	(void)state;
	expect_clean("a\r\nb\r\nc\r\nd\r\n", "A\r\nb\r\nc\r\nd\r\n", "a\r\nb\r\nc\r\nD\r\n", "A\r\nb\r\nc\r\nD\r\n");
	expect_clean("a\r\nb\nc\r\nd\n", "A\r\nb\nc\r\nd\n", "a\r\nb\nc\r\nd\r\n", "A\r\nb\nc\r\nd\r\n");
	/* One turned all lines into another kind, the other changed one of them. */
	expect_conflict("a\nb\n", "a\r\nb\r\n", "a\nB\n", "<<<<<<< box demo\na\r\nb\r\n=======\na\nB\n>>>>>>> host\n");
}

static void a_missing_newline_at_the_end_stays_missing(void **state)
{
	(void)state;
	expect_clean("a\nb\nc\nd", "A\nb\nc\nd", "a\nb\nc\nd", "A\nb\nc\nd");
	expect_clean("a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nb\nc\nd", "A\nb\nc\nd");
	expect_clean("a\nb\nc\nd", "A\nb\nc\nd", "a\nb\nc\nd\n", "A\nb\nc\nd\n");
	expect_clean("a\nb\nc\nd", "A\nb\nc\nd", "a\nb\nc\nd\ne", "A\nb\nc\nd\ne");
}

/* ---- conflicts ---- */

static void a_conflict_names_both_sides(void **state)
{
	(void)state;
	expect_conflict("a\nb\nc\n", "a\nX\nc\n", "a\nY\nc\n", "a\n<<<<<<< box demo\nX\n=======\nY\n>>>>>>> host\nc\n");
	expect_flags("a\nb\nc\n", "a\nX\nc\n", "a\nY\nc\n", MERGE_ORIGINAL, 1,
	             "a\n<<<<<<< box demo\nX\n||||||| original\nb\n=======\nY\n>>>>>>> host\nc\n");
	/* Changed by one, deleted by the other. */
	expect_conflict("a\nb\nc\n", "a\nc\n", "a\nY\nc\n", "a\n<<<<<<< box demo\n=======\nY\n>>>>>>> host\nc\n");
	expect_conflict("a\nb\n", "", "a\nY\n", "<<<<<<< box demo\n=======\na\nY\n>>>>>>> host\n");
	expect_flags("a\n", "", "", MERGE_ORIGINAL, 0, "");
}

static void conflicts_are_counted(void **state)
{
	(void)state;
	expect_flags("1\na\nb\nc\nd\n2\n", "X\na\nb\nc\nd\nX\n", "Y\na\nb\nc\nd\nY\n", 0, 2,
	             "<<<<<<< box demo\nX\n=======\nY\n>>>>>>> host\na\nb\nc\nd\n<<<<<<< box demo\nX\n=======\nY\n>>>>>>> host\n");
	/* Within three lines of another they become one. */
	expect_flags("1\na\n2\n", "X\na\nX\n", "Y\na\nY\n", 0, 1, "<<<<<<< box demo\nX\na\nX\n=======\nY\na\nY\n>>>>>>> host\n");
	expect_flags("1\na\n2\n", "X\na\nX\n", "Y\na\nY\n", MERGE_ORIGINAL, 2,
	             "<<<<<<< box demo\nX\n||||||| original\n1\n=======\nY\n>>>>>>> host\na\n"
	             "<<<<<<< box demo\nX\n||||||| original\n2\n=======\nY\n>>>>>>> host\n");
}

static void files_that_both_made(void **state)
{
	(void)state;
	expect_conflict(NULL, "a\nX\nb\n", "a\nY\nb\n", "a\n<<<<<<< box demo\nX\n=======\nY\n>>>>>>> host\nb\n");
	expect_conflict(NULL, "X", "Y", "<<<<<<< box demo\nX\n=======\nY\n>>>>>>> host\n");
	expect_clean(NULL, "", "Y\n", "Y\n");
	expect_flags(NULL, "X\n", "Y\n", MERGE_ORIGINAL, 1, "<<<<<<< box demo\nX\n||||||| original\n=======\nY\n>>>>>>> host\n");
	/* An empty original is as none. */
	expect_conflict("", "X", "Y", "<<<<<<< box demo\nX\n=======\nY\n>>>>>>> host\n");
}

static void a_marker_follows_no_bare_line(void **state)
{
	(void)state;
	expect_conflict("a\nb", "a\nX", "a\nY", "a\n<<<<<<< box demo\nX\n=======\nY\n>>>>>>> host\n");
	expect_conflict("a\nb\n", "a\nb", "a\nb\nc\n", "a\n<<<<<<< box demo\nb\n=======\nb\nc\n>>>>>>> host\n");
	expect_flags("a\nb", "a\nX", "a\nY\n", MERGE_ORIGINAL, 1,
	             "a\n<<<<<<< box demo\nX\n||||||| original\nb\n=======\nY\n>>>>>>> host\n");
}

static void markers_end_as_the_lines_do(void **state)
{
	(void)state;
	expect_conflict("a\r\nb\r\nc\r\n", "a\r\nX\r\nc\r\n", "a\r\nY\r\nc\r\n",
	                "a\r\n<<<<<<< box demo\r\nX\r\n=======\r\nY\r\n>>>>>>> host\r\nc\r\n");
}

static void labels_stay_on_their_line(void **state)
{
	struct merge_side base = side("b\n"), x = side("X\n"), y = side("Y\n");
	char label[1000];
	struct merged m;

	(void)state;
	assert_int_equal(merge_text(&base, &x, &y, "a\n>>>>>>> host\n\033[2J", "", 0, &m, NULL), 0);
	assert_string_equal(m.data, "<<<<<<< a\\012>>>>>>> host\\012\\033[2J\nX\n=======\nY\n>>>>>>> \n");
	assert_int_equal(m.conflicts, 1);
	merged_release(&m);
	memset(label, 'l', sizeof label - 1);
	label[sizeof label - 1] = '\0';
	assert_int_equal(merge_text(&base, &x, &y, label, label, 0, &m, NULL), 0);
	assert_int_equal(strcspn(m.data, "\n"), 8 + 255);
	merged_release(&m);
}

/* ---- texts that look like conflicts ---- */

static void markers_are_longer_than_those_in_the_text(void **state)
{
	(void)state;
	/* A heading, and an old conflict that somebody kept. */
	expect_conflict("Title\n=======\nb\n", "Title\n=======\nX\n", "Title\n=======\nY\n",
	                "Title\n=======\n<<<<<<<< box demo\nX\n========\nY\n>>>>>>>> host\n");
	expect_conflict("<<<<<<< box demo\nX\n=======\nY\n>>>>>>> host\nend\n",
	                "<<<<<<< box demo\nX\n=======\nY\n>>>>>>> host\nEND\n",
	                "<<<<<<< box demo\nX\n=======\nY\n>>>>>>> host\nEnd\n",
	                "<<<<<<< box demo\nX\n=======\nY\n>>>>>>> host\n<<<<<<<< box demo\nEND\n========\nEnd\n>>>>>>>> host\n");
	/* All sides count, and the lengths that are taken are passed over. */
	expect_conflict("||||||||\nb\n", "=======\r\nX", ">>>>>>>>>\nY\n",
	                "<<<<<<<<<< box demo\n=======\r\nX\n==========\n>>>>>>>>>\nY\n>>>>>>>>>> host\n");
	/* What goes on behind is no marker. */
	expect_conflict("b\n", "<<<<<<<X\n", ">>>>>>>>>>>Y\n", "<<<<<<< box demo\n<<<<<<<X\n=======\n>>>>>>>>>>>Y\n>>>>>>> host\n");
}

static void every_length_may_be_taken(void **state)
{
	/* As many lengths as one side has room for. */
	char *text = malloc(MERGE_SIZE_MAX + 1), *at = text;
	struct merge_side base = { NULL, 0 }, x, y = side("Y\n");
	unsigned n = 7;
	struct merged m;

	(void)state;
	assert_non_null(text);
	for (; (size_t)(at - text) + n + 1 <= MERGE_SIZE_MAX; n++) {
		memset(at, "<|=>"[n % 4], n);
		at += n;
		*at++ = '\n';
	}
	x = (struct merge_side){ text, (size_t)(at - text) };
	assert_int_equal(merge_text(&base, &x, &y, "box", "host", 0, &m, NULL), 0);
	assert_int_equal(m.marker_size, n);
	assert_int_equal(m.conflicts, 1);
	merged_release(&m);
	free(text);
}

static void a_line_may_be_all_there_is(void **state)
{
	char *text = malloc(MERGE_SIZE_MAX);
	struct merge_side base = { NULL, 0 }, x = { text, MERGE_SIZE_MAX }, y = side("Y\n");
	struct merged m;

	(void)state;
	assert_non_null(text);
	memset(text, '<', MERGE_SIZE_MAX);
	assert_int_equal(merge_text(&base, &x, &y, "box", "host", 0, &m, NULL), 0);
	assert_int_equal(m.marker_size, 7);
	assert_int_equal(m.conflicts, 1);
	assert_int_equal(m.size, strlen("<<<<<<< box\n") + MERGE_SIZE_MAX + strlen("\n=======\nY\n>>>>>>> host\n"));
	merged_release(&m);
	free(text);
}

static bool has(const char *text, unsigned n)
{
	return merge_has_markers(text, strlen(text), n);
}

static void markers_are_recognised(void **state)
{
	(void)state;
	assert_true(has("a\n<<<<<<< box demo\n", 7));
	assert_true(has("=======\n", 7) && has("=======", 7) && has("=======\r\n", 7) && has("a\n||||||| original", 7));
	assert_true(has(">>>>>>> host\nb\n", 7) && has("b\n>>>>>>> ", 7));
	assert_false(has("", 7) || has("\n", 7) || has("a\n ======= b\n", 7) || has("a=======\n", 7));
	assert_false(has("======\n", 7) || has("========\n", 7) || has("=======x\n", 7) || has("<<<<=== \n", 7));
	assert_true(has("========\n", 8));
	assert_false(has("\n\n", 0));
	assert_false(merge_has_markers(NULL, 0, 7));
	assert_false(merge_has_markers("\0\0\0\0\0\0\0\n", 8, 7));
}

/* ---- limits ---- */

static void binary_sides_are_refused(void **state)
{
	char text[8001];
	struct merge_side binary = { text, sizeof text }, plain = side("a\n"), other = side("b\n");
	struct merged m;

	(void)state;
	memset(text, 'x', sizeof text);
	text[7999] = '\0';
	expect_error(&plain, &binary, &other, -EMEDIUMTYPE, "the box's file is binary");
	expect_error(&plain, &other, &binary, -EMEDIUMTYPE, "the host's file is binary");
	expect_error(&binary, &plain, &other, -EMEDIUMTYPE, "the original is binary");
	expect_error(NULL, &binary, &binary, -EMEDIUMTYPE, "binary");
	text[7999] = 'x';
	text[8000] = '\0';
	assert_int_equal(merge_text(&plain, &binary, &other, "box", "host", 0, &m, NULL), 0);
	assert_int_equal(m.size, strlen("<<<<<<< box\n") + sizeof text + strlen("\n=======\nb\n>>>>>>> host\n"));
	assert_memory_equal(m.data + strlen("<<<<<<< box\n"), text, sizeof text);
	merged_release(&m);
}

static void sides_beyond_the_limits_are_refused(void **state)
{
	char *text = malloc(MERGE_SIZE_MAX + 1);
	struct merge_side big = { text, MERGE_SIZE_MAX + 1 }, plain = side("a\n");

	(void)state;
	assert_non_null(text);
	memset(text, 'x', big.size);
	expect_error(&plain, &big, &plain, -EFBIG, "the box's file is larger than 8 MiB");
	expect_error(&plain, &plain, &big, -EFBIG, "the host's");
	expect_error(&big, &plain, &plain, -EFBIG, "the original");
	memset(text, '\n', big.size);
	big.size = MERGE_LINES_MAX;
	assert_int_equal(merge_side_check(&big, "it", NULL), 0);
	text[big.size++] = 'x';
	expect_error(NULL, &big, &plain, -EFBIG, "lines");
	free(text);
}

static void many_lines_take_seconds(void **state)
{
	size_t n = 100000, k[3] = { 0 };
	char *text[3];
	struct merge_side s[3];
	struct merged m;

	(void)state;
	for (int i = 0; i < 3; i++) {
		text[i] = malloc(16 * n);
		assert_non_null(text[i]);
	}
	/* All changed by both, and every tenth in the same way: conflicts in between, more than three lines apart or not. */
	for (size_t i = 0; i < n; i++)
		for (int t = 0; t < 3; t++)
			k[t] += (size_t)sprintf(text[t] + k[t], "%zx%s\n", i, i % 10 < 5 ? "" : t == 0 ? "" : t == 1 ? "X" : "Y");
	for (int i = 0; i < 3; i++)
		s[i] = (struct merge_side){ text[i], k[i] };
	assert_int_equal(merge_text(&s[0], &s[1], &s[2], "box", "host", 0, &m, NULL), 0);
	assert_int_equal(m.conflicts, n / 10);
	merged_release(&m);
	for (int i = 0; i < 3; i++)
		free(text[i]);
}

/* ---- random texts ---- */

static uint64_t state_of_random;

static unsigned any(unsigned n)
{
	state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state_of_random >> 33) % n;
}

/* What may happen at one place of a text: what it had, what one side has, what the other has, and what comes out. */
static const struct {
	const char *text[4];
	bool fixed; /* fixed: the one is the box */
} model[] = {
	{ .text = { "line %1$u\n", "line %1$u\n", "line %1$u\n", "line %1$u\n" } },
	{ .text = { "line %1$u\n", "LINE %1$u\n", "line %1$u\n", "LINE %1$u\n" } },
	{ .text = { "line %1$u\n", "", "line %1$u\n", "" } },
	{ .text = { "line %1$u\n", "line %1$u\nmore %1$u\n", "line %1$u\n", "line %1$u\nmore %1$u\n" } },
	{ .text = { "line %1$u\n", "same %1$u\n", "same %1$u\n", "same %1$u\n" } },
	{ .text = { "line %1$u\n", "", "", "" } },
	{ .text = { "line %1$u\n", "box %1$u\n", "host %1$u\n", "<<<<<<< box demo\nbox %1$u\n=======\nhost %1$u\n>>>>>>> host\n" },
	  .fixed = true },
};
#define MODEL_COUNT (sizeof model / sizeof *model)
#define MODEL_PLACES 12

/* Distinct lines, and places so far apart that none has to do with another: what comes out is known beforehand. */
static void a_merge_is_what_a_model_says(void **state)
{
	(void)state;
	state_of_random = 42;
	for (int turn = 0; turn < 500; turn++) {
		char text[4][4096];
		size_t n[4] = { 0 }, clashes = 0;

		for (unsigned p = 0; p < MODEL_PLACES; p++) {
			unsigned what = any(MODEL_COUNT), swap = model[what].fixed ? 0 : any(2);

			clashes += model[what].fixed;
			for (unsigned t = 0; t < 4; t++) {
				unsigned from = swap && (t == 1 || t == 2) ? 3 - t : t;

				n[t] += (size_t)sprintf(text[t] + n[t], model[what].text[from], p);
				for (int i = 0; i < 5; i++)
					n[t] += (size_t)sprintf(text[t] + n[t], "between %u %d\n", p, i);
			}
		}
		expect_flags(text[0], text[1], text[2], 0, clashes, text[3]);
	}
}

static void any_text(char *ret)
{
	unsigned n = any(12);

	for (unsigned i = 0; i < n; i++)
		ret += sprintf(ret, "%s%s", (const char *const[]){ "a", "b", "", "=======", "c" }[any(5)],
		               i + 1 < n || any(2) ? "\n" : "");
	*ret = '\0';
}

static bool has_line(const char *text, const char *line, size_t len)
{
	for (const char *at = text; *at;) {
		size_t n = strcspn(at, "\n");

		if (n == len && memcmp(at, line, len) == 0)
			return true;
		at += n + (at[n] == '\n');
	}
	return false;
}

/* Whatever the texts are: each line of a result is a line of a side or a marker, and markers are as many and in the order that they must be. */
static void results_are_made_of_lines_and_markers(void **state)
{
	(void)state;
	state_of_random = 4711;
	for (int turn = 0; turn < 20000; turn++) {
		char base[256], box[256], host[256];
		struct merge_side b, x, h;
		struct merged m;
		bool original = any(2), none = !any(4);
		const char *marks = original ? "<|=>" : "<=>";
		size_t seen = 0, per = strlen(marks);

		any_text(base);
		any_text(box);
		any_text(host);
		b = side(base);
		x = side(box);
		h = side(host);
		assert_true(merge_text(none ? NULL : &b, &x, &h, "box", "host", original ? MERGE_ORIGINAL : 0, &m, NULL) >= 0);
		for (const char *at = m.data; *at;) {
			size_t n = strcspn(at, "\n");

			if (merge_has_markers(at, n, m.marker_size))
				assert_int_equal(*at, marks[seen++ % per]);
			else
				assert_true(has_line(box, at, n) || has_line(host, at, n) || has_line(base, at, n));
			at += n + (at[n] == '\n');
		}
		assert_int_equal(seen, per * m.conflicts);
		merged_release(&m);
	}
}

/* ---- reading a side ---- */

static off_t claimed_size = -1;
int __real_sys_fstat(int fd, struct stat *ret);
int __wrap_sys_fstat(int fd, struct stat *ret);
int __wrap_sys_fstat(int fd, struct stat *ret)
{
	int r = __real_sys_fstat(fd, ret);

	if (claimed_size >= 0)
		ret->st_size = claimed_size;
	return r;
}

static void read_back(int fd, const char *text, size_t size)
{
	struct merge_side s = { 0 };

	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(merge_side_read(fd, &s), 0);
	assert_int_equal(s.size, size);
	if (size)
		assert_memory_equal(s.data, text, size);
	merge_side_release(&s);
	assert_null(s.data);
}

/* What fstat says may be wrong by the time of the reads. */
static void a_file_is_read_whatever_its_size_is_said_to_be(void **state)
{
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 100000, MERGE_SIZE_MAX - 1, MERGE_SIZE_MAX };
	static const off_t claims[] = { -1, 0, 1, 4096, 50000, MERGE_SIZE_MAX, (off_t)1 << 50 };
	int fd = openat(T(state), "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char *text = malloc(MERGE_SIZE_MAX + 1);
	struct merge_side s = { .size = 42 };

	assert_true(fd >= 0 && text);
	for (size_t i = 0; i <= MERGE_SIZE_MAX; i++)
		text[i] = (char)(i * 31 >> 3);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, text, sizes[i], 0), sizes[i]);
		for (size_t k = 0; k < sizeof claims / sizeof *claims; k++) {
			claimed_size = claims[k];
			read_back(fd, text, sizes[i]);
		}
	}
	assert_int_equal(pwrite(fd, text, MERGE_SIZE_MAX + 1, 0), MERGE_SIZE_MAX + 1);
	for (size_t k = 0; k < sizeof claims / sizeof *claims; k++) {
		claimed_size = claims[k];
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_int_equal(merge_side_read(fd, &s), -EFBIG);
	}
	claimed_size = -1;
	assert_int_equal(s.size, 42);
	free(text);
	close(fd);
}

static void *write_pieces(void *arg)
{
	int fd = *(int *)arg;

	for (int i = 0; i < 3000; i++)
		if (write(fd, "seven b", 7) != 7)
			break;
	close(fd);
	return NULL;
}

static void pipes_and_files_of_proc_are_read(void **state)
{
	struct merge_side s;
	pthread_t t;
	int p[2], fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(pthread_create(&t, NULL, write_pieces, &p[1]), 0);
	assert_int_equal(merge_side_read(p[0], &s), 0);
	pthread_join(t, NULL);
	assert_int_equal(s.size, 21000);
	merge_side_release(&s);
	close(p[0]);
	assert_int_equal(merge_side_read(fd, &s), 0);
	assert_memory_equal(s.data, "Name:", 5);
	merge_side_release(&s);
	close(fd);
}

static void what_cannot_be_read_is_an_error(void **state)
{
	struct merge_side s = { .size = 42 };

	assert_int_equal(merge_side_read(T(state), &s), -EISDIR);
	assert_int_equal(merge_side_read(-1, &s), -EBADF);
	assert_int_equal(s.size, 42);
	assert_null(s.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_side_unchanged_gives_the_other),
		cmocka_unit_test(changes_apart_are_both_taken),
		cmocka_unit_test(the_same_change_is_taken_once),
		cmocka_unit_test(line_endings_are_content),
		cmocka_unit_test(a_missing_newline_at_the_end_stays_missing),
		cmocka_unit_test(a_conflict_names_both_sides),
		cmocka_unit_test(conflicts_are_counted),
		cmocka_unit_test(files_that_both_made),
		cmocka_unit_test(a_marker_follows_no_bare_line),
		cmocka_unit_test(markers_end_as_the_lines_do),
		cmocka_unit_test(labels_stay_on_their_line),
		cmocka_unit_test(markers_are_longer_than_those_in_the_text),
		cmocka_unit_test(every_length_may_be_taken),
		cmocka_unit_test(a_line_may_be_all_there_is),
		cmocka_unit_test(markers_are_recognised),
		cmocka_unit_test(binary_sides_are_refused),
		cmocka_unit_test(sides_beyond_the_limits_are_refused),
		cmocka_unit_test(many_lines_take_seconds),
		cmocka_unit_test(a_merge_is_what_a_model_says),
		cmocka_unit_test(results_are_made_of_lines_and_markers),
		DIR_TEST(a_file_is_read_whatever_its_size_is_said_to_be),
		cmocka_unit_test(pipes_and_files_of_proc_are_read),
		DIR_TEST(what_cannot_be_read_is_an_error),
	};

	return cmocka_run_group_tests_name("commit/merge", tests, NULL, NULL);
}

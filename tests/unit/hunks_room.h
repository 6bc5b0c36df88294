/* hunks_room.h - what the tests of hunks share: short ways to call them, random texts, and a model that applies the text of a hunk by itself. */
#ifndef COWBOX_TESTS_HUNKS_ROOM_H
#define COWBOX_TESTS_HUNKS_ROOM_H

#include "fixture.h"

#include "commit/hunks.h"

static inline struct merge_side side(const char *text)
{
	return (struct merge_side){ (char *)text, strlen(text) };
}

static inline struct hunks *hunks_of(const char *old, const char *new, unsigned context)
{
	struct merge_side a = side(old), b = side(new);
	struct hunks *h = NULL;
	struct err err = { 0 };

	if (hunks_new(&a, &b, context, &h, &err) < 0)
		fail_msg("%s", err.msg);
	return h;
}

/* For free(3). */
static inline char *text_of(const struct hunks *h, size_t i)
{
	char *text;
	size_t size;

	assert_int_equal(hunks_text(h, i, &text, &size), 0);
	assert_int_equal(text[size], '\0');
	return text;
}

static inline char *result_of(const struct hunks *h)
{
	char *text;
	size_t size;

	assert_int_equal(hunks_result(h, &text, &size), 0);
	assert_int_equal(text[size], '\0');
	return text;
}

static inline void expect_text(const struct hunks *h, size_t i, const char *want)
{
	char *text = text_of(h, i);

	assert_string_equal(text, want);
	free(text);
}

static inline void expect_result(const struct hunks *h, const char *want)
{
	char *text = result_of(h);

	assert_string_equal(text, want);
	free(text);
}

static inline void decide_all(struct hunks *h, enum hunk_state state)
{
	for (size_t i = 0; i < hunks_count(h); i++)
		hunks_decide(h, i, state);
}

/* ---- random texts ---- */

static uint64_t state_of_random;

static inline unsigned any(unsigned n)
{
	state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state_of_random >> 33) % n;
}

#define TEXT_ROOM 1024
#define LINES_MAX 40

static inline char *any_line(char *to)
{
	return to +
	       sprintf(to, "%s\n", (const char *const[]){ "a", "b", "c", "", "x\r", "-", "+ ", "@@", "\\ No newline" }[any(9)]);
}

static inline void any_old(char *ret)
{
	char *to = ret;

	*to = '\0';
	for (unsigned n = any(LINES_MAX); n; n--)
		to = any_line(to);
	if (to > ret && !any(3))
		to[-1] = '\0';
}

/* The old text with some lines changed, gone, or added. */
static inline void any_new(const char *old, char *ret)
{
	char *to = ret;
	unsigned rare = 3 + any(6);

	for (const char *at = old; *at;) {
		size_t n = strcspn(at, "\n");

		if (any(rare)) {
			to = mempcpy(to, at, n);
			*to++ = '\n';
		} else if (any(2)) {
			to = any_line(any_line(to));
		}
		at += n + (at[n] == '\n');
	}
	if (!any(4))
		to = any_line(to);
	*to = '\0';
	if (to > ret && !any(3))
		to[-1] = '\0';
}

/* ---- the model ---- */

/* A text as lines: which of them go, and what comes before each. */
struct model {
	const char *line[LINES_MAX * 4];
	size_t size[LINES_MAX * 4];
	bool gone[LINES_MAX * 4];
	char added[LINES_MAX * 4][TEXT_ROOM];
	size_t count;
};

static inline void model_begin(struct model *m, const char *old)
{
	memset(m, 0, sizeof *m);
	while (*old) {
		size_t n = strcspn(old, "\n");

		m->line[m->count] = old;
		m->size[m->count++] = n + (old[n] == '\n');
		old += n + (old[n] == '\n');
	}
}

/* Takes the text of a hunk as any reader of unified diffs would. It must be right in each number and in each line of the old text. */
static inline void model_apply(struct model *m, const char *text)
{
	size_t a, b, c, d, pos;
	int head = 0;

	assert_int_equal(sscanf(text, "@@ -%zu,%zu +%zu,%zu @@%n", &a, &b, &c, &d, &head), 4);
	assert_int_equal(text[head], '\n');
	text += head + 1;
	pos = b ? a - 1 : a;
	while (*text) {
		char line[TEXT_ROOM], sign = *text++;
		size_t n = strcspn(text, "\n") + 1;

		memcpy(line, text, n);
		line[n] = '\0';
		text += n;
		if (*text == '\\') {
			line[--n] = '\0';
			assert_int_equal(strncmp(text, "\\ No newline at end of file\n", 28), 0);
			text += 28;
		}
		if (sign != '+') {
			assert_true((sign == ' ' || sign == '-') && pos < m->count && n == m->size[pos]);
			assert_memory_equal(line, m->line[pos], n);
			assert_false(m->gone[pos]);
			m->gone[pos++] = sign == '-';
			b--;
		} else {
			strcat(m->added[pos], line);
		}
		d -= sign != '-';
	}
	assert_int_equal(b, 0);
	assert_int_equal(d, 0);
}

static inline void model_result(const struct model *m, char *ret)
{
	*ret = '\0';
	for (size_t i = 0; i <= m->count; i++) {
		strcat(ret, m->added[i]);
		if (i < m->count && !m->gone[i])
			strncat(ret, m->line[i], m->size[i]);
	}
}

/* What the chosen hunks show is what comes out. */
static inline void expect_as_shown(const struct hunks *h, const char *old)
{
	static struct model m;
	char want[8 * TEXT_ROOM];

	model_begin(&m, old);
	for (size_t i = 0; i < hunks_count(h); i++)
		if (hunks_state(h, i) == HUNK_CHOSEN) {
			char *text = text_of(h, i);

			model_apply(&m, text);
			free(text);
		}
	model_result(&m, want);
	expect_result(h, want);
}

#endif

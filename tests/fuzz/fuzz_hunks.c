/* fuzz_hunks.c - any bytes as what an editor made of a hunk: it is taken or refused, and what was taken comes out as it is shown.
 *
 * The first byte of the input is the context, the second chooses the hunk; then the old text to the first NUL, the new one to the next, and what was edited.
 */
#include "fuzz.h"

#include "commit/hunks.h"

/* Takes the text up to a NUL, and the NUL. */
static struct merge_side take_text(const uint8_t **data, size_t *size)
{
	const uint8_t *end = memchr(*data, '\0', *size), *at = *data;
	size_t n = end ? (size_t)(end - at) : *size;

	*data += n + !!end;
	*size -= n + !!end;
	return (struct merge_side){ (char *)at, n };
}

static void must_result(const struct hunks *h, const char *want, size_t size)
{
	char *text;
	size_t n;

	MUST(hunks_result(h, &text, &n) == 0);
	MUST(n == size && (n == 0 || memcmp(text, want, n) == 0));
	free(text);
}

static void decide_all(struct hunks *h, enum hunk_state state)
{
	for (size_t i = 0; i < hunks_count(h); i++)
		hunks_decide(h, i, state);
}

/* What every hunk shows can be given back, and means the same. */
static void check_shown(struct hunks *h)
{
	char *before, *text;
	size_t nbefore, size;

	decide_all(h, HUNK_CHOSEN);
	MUST(hunks_result(h, &before, &nbefore) == 0);
	for (size_t i = 0; i < hunks_count(h); i++) {
		MUST(hunks_text(h, i, &text, &size) == 0);
		MUST(hunks_edit(h, i, text, size, NULL) == 1);
		free(text);
		must_result(h, before, nbefore);
	}
	free(before);
}

static void check_edit(struct hunks *h, size_t i, const char *text, size_t size)
{
	struct err err = { 0 };
	char *before, *after;
	size_t nbefore, nafter;
	int r;

	MUST(hunks_text(h, i, &before, &nbefore) == 0);
	r = hunks_edit(h, i, text, size, &err);
	MUST(hunks_text(h, i, &after, &nafter) == 0);
	MUST(r == 0 || r == 1 || (r == -EINVAL && err.code == r && err.msg[0]));
	MUST(r == 0 ? hunks_state(h, i) == HUNK_LEFT : r == 1 ? hunks_state(h, i) == HUNK_CHOSEN : true);
	MUST(r == 1 || (nbefore == nafter && memcmp(before, after, nafter) == 0));
	free(before);
	free(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct merge_side old, new;
	struct hunks *h;
	struct err err = { 0 };
	unsigned context, which;
	size_t i;
	int r;

	if (size < 2)
		return 0;
	context = data[0] % 8;
	which = data[1];
	data += 2;
	size -= 2;
	old = take_text(&data, &size);
	new = take_text(&data, &size);
	r = hunks_new(&old, &new, context, &h, &err);
	if (r == -ENOSYS) {
		fprintf(stderr, "%s\n", err.msg);
		exit(77);
	}
	MUST(r == 0);
	must_result(h, old.data, old.size);
	decide_all(h, HUNK_CHOSEN);
	must_result(h, new.data, new.size);
	if (hunks_count(h)) {
		i = which / 2 % hunks_count(h);
		if (which % 2)
			MUST(hunks_split(h, i) >= 1);
		check_edit(h, i, (const char *)data, size);
		MUST(hunks_split(h, i) >= 1);
		check_shown(h);
		decide_all(h, HUNK_LEFT);
		must_result(h, old.data, old.size);
	}
	hunks_free(h);
	return 0;
}

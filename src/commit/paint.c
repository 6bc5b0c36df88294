/* paint.c - the lines of a diff, in colour and so that a terminal shows all that is in them. */
#include "paint.h"

#include <string.h>

#include "commit/commit.h"

/* The bytes of the character at s; 0: they are not UTF-8. */
static size_t character_at(const unsigned char *s, size_t len)
{
	size_t n = *s < 0x80 ? 1 : *s < 0xc2 ? 0 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : *s < 0xf5 ? 4 : 0;

	if (n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* U+202A to U+202E, U+2066 to U+2069: they turn the order of the characters around them. */
static bool turns_order(const unsigned char *s)
{
	return s[0] == 0xe2 && ((s[1] == 0x80 && s[2] >= 0xaa && s[2] <= 0xae) || (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9));
}

/* Writes text, and what a terminal acts on instead of showing it as ^X, <U+9B> or <9B>. */
static void put_visible(FILE *out, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text, *end = s + len;

	while (s < end) {
		size_t n = character_at(s, (size_t)(end - s));

		if (n == 0)
			fprintf(out, "<%02X>", *s);
		else if (n == 1 && ((*s < 0x20 && *s != '\t' && *s != '\n') || *s == 0x7f))
			fprintf(out, "^%c", *s ^ 0x40);
		else if (n == 2 && s[0] == 0xc2 && s[1] < 0xa0)
			fprintf(out, "<U+%02X>", s[1]);
		else if (n == 3 && turns_order(s))
			fprintf(out, "<U+%04X>", 0x2000u | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu));
		else
			fwrite(s, 1, n, out);
		s += n ? n : 1;
	}
}

static const char *const paint_code[] = {
	[PAINT_NONE] = "", [PAINT_HEAD] = "\033[1m", [PAINT_HUNK] = "\033[36m", [PAINT_ADD] = "\033[32m", [PAINT_DEL] = "\033[31m",
};

void paint(FILE *out, unsigned flags, enum paint p, const char *text, size_t len)
{
	bool colour = (flags & DIFF_COLOR) && p != PAINT_NONE;
	size_t body = len && text[len - 1] == '\n' ? len - 1 : len;

	if (colour)
		fputs(paint_code[p], out);
	if (flags & DIFF_VISIBLE)
		put_visible(out, text, body);
	else
		fwrite(text, 1, body, out);
	if (colour)
		fputs("\033[m", out);
	fwrite(text + body, 1, len - body, out);
}

void diff_write_text(const char *text, size_t size, unsigned flags, FILE *out)
{
	for (const char *at = text, *end = text + size; at < end;) {
		const char *nl = memchr(at, '\n', (size_t)(end - at)), *next = nl ? nl + 1 : end;

		paint(out, flags,
		      *at == '@'   ? PAINT_HUNK
		      : *at == '+' ? PAINT_ADD
		      : *at == '-' ? PAINT_DEL
		                   : PAINT_NONE,
		      at, (size_t)(next - at));
		at = next;
	}
}

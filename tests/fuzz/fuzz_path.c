/* fuzz_path.c - any bytes as paths: the text operations keep to their buffers and to what path.h says of them.
 *
 * The first byte of the input is the size of the buffer that is to be enough or not; then one path to the first NUL, then another. */
#include "fuzz.h"

#include "base/path.h"

static void check_canonical(const char *path)
{
	size_t n = strlen(path);

	MUST(path[0] == '/' && (n == 1 || path[n - 1] != '/') && !strstr(path, "//"));
	for (const char *s = path; (s = strchr(s, '/')); s++) {
		size_t len = strcspn(s + 1, "/");

		MUST(!(len == 1 && s[1] == '.') && !(len == 2 && s[1] == '.' && s[2] == '.'));
	}
}

/* What path_printable makes can be read back: no two paths look the same. */
static void check_back(const char *path, const char *shown)
{
	const char *s = shown;

	for (; *path; path++) {
		MUST((unsigned char)*s >= 0x20 && *s != 0x7f);
		if (s[0] == '\\' && s[1] == '\\') {
			MUST(*path == '\\');
			s += 2;
		} else if (s[0] == '\\') {
			MUST((unsigned char)*path ==
			     (unsigned)(s[1] - '0') * 64 + (unsigned)(s[2] - '0') * 8 + (unsigned)(s[3] - '0'));
			s += 4;
		} else {
			MUST(*s++ == *path);
		}
	}
	MUST(!*s);
}

static void check_printable(const char *path, size_t small)
{
	size_t size = 4 * strlen(path) + 1;
	char *shown = malloc(size), *again = malloc(size), *cut = malloc(small + 1);

	MUST(shown && again && cut);
	check_back(path, path_printable(path, shown, size));
	text_printable(path, shown, size);
	MUST(strcmp(text_printable(shown, again, size), shown) == 0);
	path_printable(path, cut, small);
	MUST(small == 0 || (strlen(cut) < small && strncmp(cut, path_printable(path, shown, size), strlen(cut)) == 0));
	free(shown);
	free(again);
	free(cut);
}

static void check_pair(const char *a, const char *b, size_t small)
{
	size_t size = strlen(a) + strlen(b) + 3;
	char *buf = malloc(size), *cut = malloc(small + 1), *cwd = malloc(size);
	const char *rest = NULL, *name;
	int n;

	MUST(buf && cut && cwd);
	n = path_join(buf, size, a, b);
	MUST(n >= 0 && (size_t)n == strlen(buf));
	n = path_join(cut, small, a, b);
	MUST(n == -ENAMETOOLONG || (size_t)n < small);
	name = path_split(a, buf, size);
	MUST(name && name >= a && name <= a + strlen(a) && !strchr(name, '/'));
	(void)path_split(a, cut, small);
	/* The working directory is a path that is canonical already. */
	if (path_normalize(a, "/", cwd, size) >= 0) {
		check_canonical(cwd);
		n = path_normalize(b, cwd, buf, size);
		MUST(n == -ENOENT || n > 0);
		if (n > 0) {
			MUST((size_t)n == strlen(buf));
			check_canonical(buf);
			if (path_below(buf, cwd, &rest))
				MUST(!*rest || *rest == '/');
		}
		n = path_normalize(b, cwd, cut, small);
		MUST(n < 0 || (size_t)n < small);
	}
	free(buf);
	free(cut);
	free(cwd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end;
	char *a, *b;

	if (size < 1)
		return 0;
	end = memchr(data + 1, '\0', size - 1);
	a = strndup((const char *)data + 1, size - 1);
	b = end ? strndup((const char *)end + 1, (size_t)(data + size - end - 1)) : strdup("");
	MUST(a && b);
	check_printable(a, data[0]);
	check_pair(a, b, data[0]);
	free(a);
	free(b);
	return 0;
}

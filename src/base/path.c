/* path.c - text operations on paths. No file system is asked. */
#include "base/path.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

bool path_below(const char *path, const char *dir, const char **ret_rest)
{
	size_t n = strlen(dir);

	/* The root's own slash belongs to the rest. */
	if (n == 1 && dir[0] == '/')
		n = 0;
	if (strncmp(path, dir, n) != 0 || (path[n] != '\0' && path[n] != '/'))
		return false;
	if (ret_rest)
		*ret_rest = n == 0 && path[0] == '/' && path[1] == '\0' ? path + 1 : path + n;
	return true;
}

bool path_in_dev(const char *path)
{
	return path_below(path, "/dev", NULL) && !path_below(path, "/dev/shm", NULL);
}

int path_join(char *ret, size_t size, const char *dir, const char *name)
{
	size_t dir_len = strlen(dir), name_len, len;
	bool slash = true;

	if (*name == '\0') {
		slash = false;
	} else {
		while (*name == '/')
			name++;
		if (strcmp(dir, ".") == 0) {
			dir_len = 0;
			slash = false;
		}
		while (dir_len && dir[dir_len - 1] == '/')
			dir_len--;
	}
	name_len = strlen(name);
	len = dir_len + (slash ? 1 : 0) + name_len;
	if (len >= size)
		return -ENAMETOOLONG;
	/* memmove: name or dir may be what ret holds now. */
	memmove(ret + dir_len + (slash ? 1 : 0), name, name_len);
	memmove(ret, dir, dir_len);
	if (slash)
		ret[dir_len] = '/';
	ret[len] = '\0';
	return (int)len;
}

const char *path_split(const char *path, char *ret_dir, size_t size)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const char *dir = path;
	size_t n;

	if (!slash) {
		dir = ".";
		n = 1;
	} else {
		n = slash == path ? 1 : (size_t)(slash - path);
	}
	if (ret_dir) {
		if (n >= size)
			return NULL;
		memmove(ret_dir, dir, n);
		ret_dir[n] = '\0';
	}
	return name;
}

/* Appends the components of path to the absolute path that ret holds (*len bytes, 0 for the root). */
static int append_normal(char *ret, size_t size, size_t *len, const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (*len && ret[--*len] != '/')
				;
		} else if (n && !(n == 1 && path[0] == '.')) {
			if (*len + 1 + n >= size)
				return -ENAMETOOLONG;
			ret[(*len)++] = '/';
			memcpy(ret + *len, path, n);
			*len += n;
		}
		path += n;
		path += strspn(path, "/");
	}
	return 0;
}

int path_normalize(const char *path, const char *cwd, char *ret, size_t size)
{
	size_t len = 0;
	int r;

	if (*path == '\0')
		return -ENOENT;
	if (size < 2)
		return -ENAMETOOLONG;
	if (path[0] != '/') {
		r = append_normal(ret, size, &len, cwd);
		if (r < 0)
			return r;
	}
	r = append_normal(ret, size, &len, path);
	if (r < 0)
		return r;
	if (len == 0)
		ret[len++] = '/';
	ret[len] = '\0';
	return (int)len;
}

/* How many bytes a character has that begins with this one; 0 when none does. */
static size_t utf8_length(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Reads one UTF-8 character: its length and code point, or 0 when the bytes are none (overlong, surrogate, cut short). */
static size_t utf8_char(const unsigned char *s, uint32_t *ret_code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = utf8_length(s[0]);
	uint32_t code;

	if (n <= 1) {
		*ret_code = s[0];
		return n;
	}
	code = s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3fu);
	}
	if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	*ret_code = code;
	return n;
}

/* Characters that move the cursor, turn text round, or do not show: a file's name must not be able to rewrite our output, nor to look like another. */
static bool is_unsafe(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x200b || c == 0x200e || c == 0x200f || c == 0xfeff || (c >= 0x2060 && c <= 0x2064) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

static char *printable(const char *text, bool backslash, char *ret, size_t size)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t at = 0;

	if (size == 0)
		return ret;
	while (*s) {
		uint32_t code;
		size_t n = utf8_char(s, &code);
		bool plain = n && !is_unsafe(code), doubled = backslash && *s == '\\';
		size_t bytes = n ? n : 1;

		if (at + doubled + (plain ? bytes : 4 * bytes) >= size)
			break;
		if (doubled)
			ret[at++] = '\\';
		for (size_t i = 0; i < bytes; i++, s++) {
			if (plain) {
				ret[at++] = (char)*s;
				continue;
			}
			ret[at++] = '\\';
			ret[at++] = (char)('0' + (*s >> 6));
			ret[at++] = (char)('0' + (*s >> 3 & 7));
			ret[at++] = (char)('0' + (*s & 7));
		}
	}
	ret[at] = '\0';
	return ret;
}

char *path_printable(const char *path, char *ret, size_t size)
{
	return printable(path, true, ret, size);
}

char *text_printable(const char *text, char *ret, size_t size)
{
	return printable(text, false, ret, size);
}

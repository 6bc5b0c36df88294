/* fuzz_redirect.c - any bytes as the redirect of a directory: what comes out is a canonical path below the root, or an error.
 *
 * The input is the path of the directory up to the first NUL, then the mark as it lies in the layer. */
#include "fuzz.h"

#include "base/path.h"
#include "overlay/internal.h"

static void check_canonical(const char *path)
{
	char again[PATH_MAX];
	int n = path_normalize(path, "/", again, sizeof again);

	MUST(n > 1 && strcmp(path, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[PATH_MAX], dir[PATH_MAX], target[PATH_MAX], parent[PATH_MAX], *text, *mark;
	const uint8_t *end = memchr(data, '\0', size);
	size_t n;
	int r;

	if (!end)
		return 0;
	text = strdup((const char *)data);
	n = (size_t)(data + size - end - 1);
	mark = malloc(n);   /* to the byte, so that reads beyond it are seen */
	MUST(text && (mark || n == 0));
	if (n)
		memcpy(mark, end + 1, n);
	if (path_normalize(text, "/", path, sizeof path) > 1) {
		r = redirect_target(mark, n, path, target);
		MUST(r == 0 || r == -EIO);
		if (r == 0) {
			check_canonical(target);
			MUST(strlen(target) >= n);
		}
		if (r == 0 && mark[0] == '/')
			MUST(strlen(target) == n && memcmp(target, mark, n) == 0);
		if (r == 0 && mark[0] != '/')
			MUST(path_split(path, dir, sizeof dir) && path_split(target, parent, sizeof parent) && strcmp(dir, parent) == 0);
	}
	free(text);
	free(mark);
	return 0;
}

/* commit_paths.c - the PATHs of cowbox commit: names of changes, or patterns for them. */
#include "commit_ui.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <unistd.h>

/* ---- patterns ---- */

/* The component at *at, without its slashes; *at moves behind it. false: there is none. */
static bool next_component(const char **at, char ret[static NAME_MAX + 1])
{
	const char *s = *at + strspn(*at, "/");
	size_t n = strcspn(s, "/");

	if (n == 0)
		return false;
	*at = s + n;
	if (n > NAME_MAX)
		n = NAME_MAX;
	memcpy(ret, s, n);
	ret[n] = '\0';
	return true;
}

/* One "**" is given up for the next that matches: the first places that fit for what is between them leave most for what follows. So it takes time
 * in proportion to the product of both lengths. */
bool glob_match(const char *pattern, const char *path)
{
	const char *p = pattern, *s = path, *again_p = NULL, *again_s = NULL;
	char want[NAME_MAX + 1], name[NAME_MAX + 1];

	for (;;) {
		/* At its end the path is matched, or something above it. */
		if (!next_component(&p, want))
			return true;
		if (strcmp(want, "**") == 0) {
			again_p = p;
			again_s = s;
			continue;
		}
		if (next_component(&s, name) && fnmatch(want, name, 0) == 0)
			continue;
		if (!again_p || !next_component(&again_s, name))
			return false;
		p = again_p;
		s = again_s;
	}
}

static bool is_pattern(const char *arg)
{
	return arg[strcspn(arg, "*?[")] != '\0';
}

/* The working directory is meant as it is called. */
static int escaped_cwd(char *ret, size_t size)
{
	char cwd[PATH_MAX];
	size_t at = 0;

	if (!getcwd(cwd, sizeof cwd))
		return -errno;
	for (const char *c = cwd; *c; c++) {
		if (at + 3 > size)
			return -ENAMETOOLONG;
		if (strchr("*?[\\", *c))
			ret[at++] = '\\';
		ret[at++] = *c;
	}
	ret[at] = '\0';
	return 0;
}

static bool below_pattern(void *ctx, const char *path)
{
	return glob_match(ctx, path);
}

/* How many changes the pattern is for. */
static size_t choose_pattern(struct commit_plan *plan, const char *arg)
{
	char cwd[PATH_MAX] = "/", pattern[PATH_MAX];

	if ((*arg != '/' && escaped_cwd(cwd, sizeof cwd) < 0) || path_normalize(arg, cwd, pattern, sizeof pattern) < 0)
		return 0;
	return commit_choose_where(plan, below_pattern, pattern);
}

int choose_paths(const struct session *s, struct commit_plan *plan, const struct paths *paths, const char *const *args)
{
	char text[4 * PATH_MAX];
	int status = CMD_OK;

	for (size_t k = 0; k < paths->count; k++) {
		struct paths one = { .list = &paths->list[k], .count = 1 };

		if (commit_choose(plan, paths->list[k]) > 0)
			continue;
		if (!is_pattern(args[k])) {
			if (paths_tell_unchanged(&one, &plan->changes, s->box))
				status = CMD_LEFT;
		} else if (choose_pattern(plan, args[k]) == 0) {
			log_say("%s: no change in box %s has such a name", path_printable(args[k], text, sizeof text),
			        s->box->name);
			status = CMD_LEFT;
		}
	}
	return status;
}

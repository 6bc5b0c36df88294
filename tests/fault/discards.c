/* discards.c - discarding a box, or one path of it, with something going wrong. */
#include "points.h"

/* The box's changes, a line each. */
static char *list_changes(struct world *x)
{
	struct changes c;
	struct err err = { 0 };
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (stage_open(x)) {
		if (changes_collect(x->ov, 0, &c, &err) < 0)
			fail_msg("%s", err.msg);
		for (size_t i = 0; i < c.count; i++)
			fprintf(f, "%c %s%s%s\n", (char)c.list[i].kind, c.list[i].path + strlen(x->w) + 1,
			        c.list[i].from ? " from " : "", c.list[i].from ? c.list[i].from + strlen(x->w) + 1 : "");
		changes_release(&c);
	}
	stage_close(x);
	fclose(f);
	return text;
}

struct discards {
	char *all, *rest;   /* all, rest: of the changes: before, and after the discard */
	struct seals seals; /* seals: the host before, and after a commit of the rest */
};

static bool text_has(const char *text, const char *line, size_t n)
{
	for (const char *p = text; *p; p = strchrnul(p, '\n'), p += *p == '\n')
		if (strncmp(p, line, n) == 0 && p[n] == '\n')
			return true;
	return false;
}

/* True when the change of a line ("R new from old") is one of a path that a discarded one has, or is in what one has brought. */
static bool is_half_discarded(const struct discards *d, const char *line, size_t n)
{
	const char *path = line + 2;
	size_t len = strcspn(path, " \n");

	if ((size_t)(path - line) + len > n)
		return false;
	for (const char *p = d->all; *p; p = strchrnul(p, '\n'), p += *p == '\n') {
		const char *end = p + strcspn(p, "\n"), *from = strstr(p, " from ");
		size_t above = strcspn(p + 2, " \n");

		if (text_has(d->rest, p, (size_t)(end - p)))
			continue;
		if (from && from < end && len > above && strncmp(p + 2, path, above) == 0 && path[above] == '/')
			return true;
		if (*line == 'D')
			continue;
		if (strncmp(p + 2, path, len) == 0 && (p[2 + len] == '\n' || p[2 + len] == ' '))
			return true;
		if (from && from < end && strncmp(from + 6, path, len) == 0 && from[6 + len] == '\n')
			return true;
	}
	return false;
}

/* A discard is no one step: what it has half done may show as another change of the same names, but as no removal that nobody has asked for. */
static bool no_new_changes(const struct discards *d, const char *now)
{
	bool ok = true;

	for (const char *p = now; *p; p = strchrnul(p, '\n'), p += *p == '\n') {
		size_t n = strcspn(p, "\n");

		if (text_has(d->all, p, n) || is_half_discarded(d, p, n))
			continue;
		printf("    new: %.*s\n", (int)n, p);
		ok = false;
	}
	return ok;
}

/* Every line of a is in b. */
static bool is_part(const char *a, const char *b, const char *what)
{
	bool ok = true;

	for (const char *p = a; *p; p = strchrnul(p, '\n'), p += *p == '\n')
		if (!text_has(b, p, strcspn(p, "\n"))) {
			printf("    %s: %.*s\n", what, (int)strcspn(p, "\n"), p);
			ok = false;
		}
	return ok;
}

/* All that was to go, under both names that it had. */
static void discard_again(struct world *x, const struct discards *d)
{
	const char *path = discard_path;
	char name[2 * PATH_MAX];

	point_run(x, do_discard, NULL, 0);
	for (const char *p = d->all; *p; p = strchrnul(p, '\n'), p += *p == '\n') {
		const char *end = p + strcspn(p, "\n"), *from = strstr(p, " from ");

		if (text_has(d->rest, p, (size_t)(end - p)))
			continue;
		if (!from || from > end)
			from = end;
		snprintf(name, sizeof name, "%s/%.*s", x->w, (int)(from - p - 2), p + 2);
		discard_path = name;
		point_run(x, do_discard, NULL, 0);
		if (from == end)
			continue;
		snprintf(name, sizeof name, "%s/%.*s", x->w, (int)(end - from - 6), from + 6);
		point_run(x, do_discard, NULL, 0);
	}
	discard_path = path;
}

/* Some of the discards are done: what was not to go is there, and nothing that there was not. */
static bool check_discard(struct world *x, const struct discards *d)
{
	bool ok = check_recovers(x), changed;
	char *now = list_changes(x), *host = seal_tree(x->w);

	if (strcmp(host, d->seals.before) != 0) {
		ok = bad("the host was written to", NULL);
		seal_diff(stdout, "before", d->seals.before, "now", host);
	}
	free(host);
	ok &= is_part(d->rest, now, "lost");
	ok &= no_new_changes(d, now);
	free(now);
	/* Once more, and the rest can be committed. */
	discard_again(x, d);
	ok &= check_commits_rest(x, &changed);
	stage_close(x);
	/* The time of a directory in the box is that of the interrupted discard. */
	loose = true;
	ok &= met_known || check_is_after(x, &d->seals);
	loose = false;
	return ok;
}

static bool check_discard_box(struct world *x, const struct discards *d)
{
	bool ok = check_recovers(x);
	char *now = list_changes(x), *host = seal_tree(x->w);

	if (strcmp(host, d->seals.before) != 0)
		ok = bad("the host was written to", NULL);
	if (*now && strcmp(now, d->all) != 0)
		ok = is_part(now, d->all, "new") & is_part(d->all, now, "lost");
	free(host);
	free(now);
	return ok;
}

static void take_discards(struct world *x, struct discards *ret)
{
	size_t strays;

	memset(ret, 0, sizeof *ret);
	stage_make(x, &site, wish.scene);
	ret->seals.before = seal_tree(x->w);
	ret->all = list_changes(x);
	point_run(x, do_discard, NULL, 0);
	if (!report->done)
		fail_msg("scene %s: discard %s does not work", wish.scene->name, discard_path ? discard_path : "");
	ret->rest = list_changes(x);
	if (discard_path)
		point_run(x, do_commit, NULL, 0);
	if (discard_path && !report->done)
		fail_msg("scene %s: after discard %s it cannot be committed: %s", wish.scene->name, discard_path, report->text);
	stage_drop_history(x, &strays);
	ret->seals.after = seal_tree(x->w);
	stage_clear(x, &site);
}

static void discard_points(struct world *x)
{
	struct discards d;

	take_discards(x, &d);
	for (size_t k = 0; k < NMODES; k++) {
		const struct mode *m = &modes[k];
		bool hit = mode_is_wanted(m);

		for (unsigned long n = point_first(wish.step, k); hit; n += wish.step) {
			stage_make(x, &site, wish.scene);
			hit = point_run(x, do_discard, m, n);
			points += hit;
			if (hit && !(discard_path ? check_discard(x, &d) : check_discard_box(x, &d)))
				point_failed("discard", m, n, 0);
			stage_clear(x, &site);
			hit = hit && !wish.at;
		}
	}
	free(d.all);
	free(d.rest);
	free(d.seals.before);
	free(d.seals.after);
}

void phase_discard(struct world *x)
{
	char path[2 * PATH_MAX];

	discard_path = NULL;
	discard_points(x);
	for (const char *const *p = wish.scene->discards; p && *p; p++) {
		snprintf(path, sizeof path, "%s/w/%s", site.base, *p);
		discard_path = path;
		discard_points(x);
	}
	discard_path = NULL;
}

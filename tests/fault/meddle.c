/* meddle.c - a commit, or an undo, is killed, and before the next command takes it back or finishes it, somebody adds a file to each directory of the host
 * and puts another in the place of each file; the next command may be killed at that, too. None of these is lost, nor left under a temporary name.
 */
#include "points.h"

#include <ftw.h>

#include "base/path.h"

#define MINE "somebody else's "

static unsigned nmine;
static bool *found;

static void write_mine(const char *path)
{
	char text[64];

	snprintf(text, sizeof text, MINE "%u", nmine++);
	host_write(path, text);
}

static bool is_temporary(const char *path)
{
	return strstr(path, "/.cowbox-") != NULL;
}

static int meddle_with(const char *path, const struct stat *st, int type, struct FTW *where)
{
	char mine[PATH_MAX + 16], dir[PATH_MAX];

	(void)where;
	if (!path_split(path, dir, sizeof dir) || access(type == FTW_DP ? path : dir, W_OK | X_OK) < 0 || is_temporary(path))
		return 0;
	/* Not what was put there by ourselves. */
	if (type == FTW_F && S_ISREG(st->st_mode) && !strstr(path, "/mine-")) {
		snprintf(mine, sizeof mine, "%s.mine", path);
		write_mine(mine);
		assert_int_equal(rename(mine, path), 0);
	} else if (type == FTW_DP) {
		snprintf(mine, sizeof mine, "%s/mine-%u", path, nmine);
		write_mine(mine);
	}
	return 0;
}

static int look_at(const char *path, const struct stat *st, int type, struct FTW *where)
{
	char text[64] = "";
	unsigned k;
	FILE *f;

	(void)where;
	if (type != FTW_F || !S_ISREG(st->st_mode) || st->st_size >= (off_t)sizeof text)
		return 0;
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fread(text, 1, sizeof text - 1, f) > 0 && sscanf(text, MINE "%u", &k) == 1 && k < nmine)
		found[k] = true;
	fclose(f);
	return 0;
}

static char first_temporary[PATH_MAX];

static int find_temporary(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	if (is_temporary(path) && !first_temporary[0])
		snprintf(first_temporary, sizeof first_temporary, "%s", path);
	return 0;
}

static bool check(struct world *x, const char *store)
{
	char text[32];

	point_run(x, do_recover, NULL, 0);
	if (report->r < 0)
		return bad("the next command does not recover", report->text);
	if (stage_is_open(x))
		return bad("an entry is at work still", "");
	first_temporary[0] = '\0';
	nftw(x->w, find_temporary, 20, FTW_PHYS);
	if (first_temporary[0])
		return bad("a temporary name is left", first_temporary);
	found = calloc(nmine + 1, sizeof *found);
	assert_non_null(found);
	nftw(x->w, look_at, 20, FTW_PHYS);
	nftw(store, look_at, 20, FTW_PHYS);
	for (unsigned k = 0; k < nmine; k++) {
		if (found[k])
			continue;
		free(found);
		snprintf(text, sizeof text, "%u of %u", k, nmine);
		return bad("what somebody else wrote is nowhere", text);
	}
	free(found);
	return true;
}

void phase_meddle(struct world *x, bool undo)
{
	const struct mode *m = mode_named("kill");
	char store[PATH_MAX + 8];
	bool hit = mode_is_wanted(m);

	snprintf(store, sizeof store, "%s/store", site.store_base);
	for (unsigned long n = point_first(wish.step, 0); hit; n += wish.step) {
		stage_make(x, &site, wish.scene);
		if (undo)
			point_run(x, do_commit, NULL, 0);
		hit = point_run(x, undo ? do_undo : do_commit, m, n);
		points += hit;
		nmine = 0;
		if (hit)
			assert_int_equal(nftw(x->w, meddle_with, 20, FTW_PHYS | FTW_DEPTH), 0);
		/* One in three is not. */
		if (hit && n % 3)
			point_run(x, do_recover, m, 1 + n * 7 % (n % 3 == 1 ? 29 : 131));
		if (hit && !check(x, store))
			point_failed(undo ? "unmeddle" : "meddle", m, n, 0);
		stage_clear(x, &site);
		hit = hit && !wish.at;
	}
}

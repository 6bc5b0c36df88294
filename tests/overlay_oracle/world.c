#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "snapshot.h"
#include "sample.h"
#include "world.h"

static void die(const char *what, int code, const char *detail)
{
	fprintf(stderr, "oracle: %s: %s%s%s\n", what, strerror(-code), detail[0] ? ": " : "", detail);
	exit(1);
}

static void make_dirs(struct world *w, const char *parent)
{
	static const char *const names[] = { "host", "copy", "home" };
	char given[PATH_MAX - 128], path[PATH_MAX];

	if (!parent)
		parent = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	snprintf(given, sizeof(given), "%s/cowbox-oracle-XXXXXX", parent);
	if (!mkdtemp(given))
		die(given, -errno, "");
	if (!realpath(given, path) || strlen(path) >= sizeof(w->dir) || chmod(path, 0755) < 0)
		die(given, -errno, "");
	memcpy(w->dir, path, strlen(path) + 1);
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", w->dir, names[i]);
		if (mkdir(path, 0755) < 0)
			die(path, -errno, "");
	}
}

static void open_box(struct world *w, bool create)
{
	struct err err = { .msg = "" };
	char home[PATH_MAX];
	int r;

	umask(022);   /* the overlay leaves the last caller's */
	snprintf(home, sizeof(home), "%s/home", w->dir);
	setenv("COWBOX_HOME", home, 1);
	r = store_open(true, &w->store, &err);
	if (r >= 0)
		r = create ? box_create(w->store, "oracle", "oracle", &w->box, &err) : box_open(w->store, "oracle", &w->box, &err);
	if (r >= 0)
		r = overlay_new(w->box, &w->ov, &err);
	if (r < 0)
		die("cannot open the box", r, err.msg);
	w->view.ov = w->ov;
}

void world_make(struct world *w, const char *parent, uint64_t seed, unsigned sample_flags, bool build_tree)
{
	char host[PATH_MAX], copy[PATH_MAX];

	memset(w, 0, sizeof(*w));
	umask(0022);
	make_dirs(w, parent);
	snprintf(host, sizeof(host), "%s/host", w->dir);
	snprintf(copy, sizeof(copy), "%s/copy", w->dir);
	for (int i = 0; build_tree && i < 2; i++) {
		struct rng r = { seed };
		int e = sample_build(i ? copy : host, &r, sample_flags);
		if (e < 0)
			die("cannot make the tree", e, "");
	}
	side_init_plain(&w->plain, "plain", copy, copy);
	side_init_plain(&w->host, "host", host, host);
	side_init_view(&w->view, "view", host, NULL);
	open_box(w, true);
	world_seal(w);
}

static void close_box(struct world *w)
{
	side_release(&w->view);
	overlay_freep(&w->ov);
	box_freep(&w->box);
	store_freep(&w->store);
}

void world_reopen(struct world *w)
{
	close_box(w);
	open_box(w, false);
}

/* The list of layers in box.json, one longer. */
static void write_layers(const char *json, int n)
{
	char text[8192] = "", list[1024] = "", *at, *end;
	FILE *f = fopen(json, "r");

	if (!f || !fread(text, 1, sizeof(text) - 1, f) || fclose(f) || !(at = strstr(text, "\"layers\"")) || !(at = strchr(at, '[')) ||
	    !(end = strchr(at, ']')))
		die(json, -EIO, "it has no list of layers");
	for (int i = 1; i <= n; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%d", i > 1 ? ", " : "", i);
	f = fopen(json, "w");
	if (!f || fprintf(f, "%.*s[%s%s", (int)(at - text), text, list, end) < 0 || fclose(f))
		die(json, -errno, "");
}

void world_add_layer(struct world *w)
{
	static const char *const parts[] = { "", "/tree", "/work", "/links" };
	char path[2 * PATH_MAX], json[2 * PATH_MAX];
	int n = w->box->layer[w->box->nlayers - 1] + 1;
	struct stat st;

	snprintf(json, sizeof(json), "%s/box.json", w->box->path);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		snprintf(path, sizeof(path), "%s/layers/%d%s", w->box->path, n, parts[i]);
		if (mkdir(path, 0700) < 0)
			die(path, -errno, "");
		/* the tree's root mirrors the host's */
		if (i == 1 && (stat("/", &st) < 0 || chmod(path, st.st_mode & 07777) < 0))
			die(path, -errno, "");
	}
	close_box(w);
	write_layers(json, n);
	open_box(w, false);
}

void world_renew(struct world *w)
{
	struct err err = { .msg = "" };
	int r;

	overlay_freep(&w->ov);
	r = box_remove(w->store, w->box, &err);
	if (r < 0)
		die("cannot remove the box", r, err.msg);
	close_box(w);
	open_box(w, true);
	world_seal(w);
}

void world_seal(struct world *w)
{
	free(w->seal);
	snapshot_take(&w->host, SNAPSHOT_NLINK | SNAPSHOT_TIMES | SNAPSHOT_EXACT | SNAPSHOT_IDENTITY, &w->seal);
}

char *world_broken(struct world *w)
{
	char *now = NULL, *diff;

	snapshot_take(&w->host, SNAPSHOT_NLINK | SNAPSHOT_TIMES | SNAPSHOT_EXACT | SNAPSHOT_IDENTITY, &now);
	diff = snapshot_diff("sealed", w->seal, "now", now, 10);
	free(now);
	return diff;
}

void world_release(struct world *w, bool remove)
{
	close_box(w);
	side_release(&w->plain);
	free(w->seal);
	w->seal = NULL;
	if (remove && sample_remove(w->dir) < 0)
		fprintf(stderr, "oracle: cannot remove %s\n", w->dir);
}

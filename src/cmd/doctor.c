/* doctor.c - cowbox doctor: what stands between a guest and the host here, and whether the store is sound. */
#include "cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "trace/run.h"

static const struct option_row options[] = {
	{ OPT_JSON, "json", NULL, NULL, "a JSON array, one object a check" },
	{ 'z', NULL, NULL, NULL, "state, tab, name, tab, detail, NUL" },
	{ OPT_COLOR, "color", "WHEN", "always", "auto (as without it), always or never" },
	{ 0 },
};

#define NAME_WIDTH 44 /* columns up to which names are aligned */
#define STATE_WIDTH 8
#define ROOM_MIN ((uint64_t)16 << 20)
#define STORE_ELSEWHERE "no box can be made: set COWBOX_HOME=/dir to a directory that you may write to"
#define DETAIL_MIN 24 /* columns that the details need beside the names */

struct check {
	char *name, *detail, *effect;
	enum wall_state state;
	bool required;
};

/* All checks are made first: only then is it known how wide the columns are. */
struct report {
	struct check *list;
	size_t count;
	bool broken; /* broken: memory was short, and a check is not in the list */
};

static void report_release(struct report *r)
{
	for (size_t i = 0; i < r->count; i++) {
		free(r->list[i].name);
		free(r->list[i].detail);
		free(r->list[i].effect);
	}
	free(r->list);
}

static void add_check(struct report *r, const char *name, enum wall_state state, bool required, const char *detail,
                      const char *effect)
{
	struct check c = { strdup(name), strdup(detail), strdup(effect), state, required };
	struct check *all = reallocarray(r->list, r->count + 1, sizeof *all);

	if (all)
		r->list = all;
	if (all && c.name && c.detail && c.effect) {
		r->list[r->count++] = c;
		return;
	}
	free(c.name);
	free(c.detail);
	free(c.effect);
	r->broken = true;
}

static const char *const state_word[] = { [WALL_STANDS] = "ok", [WALL_WEAKER] = "weaker", [WALL_MISSING] = "missing" };

static void print_json(const struct report *r)
{
	fputc('[', stdout);
	for (size_t i = 0; i < r->count; i++) {
		const struct check *c = &r->list[i];

		fputs(i ? ",\n  {\"name\":" : "\n  {\"name\":", stdout);
		json_text(stdout, c->name);
		printf(",\"state\":\"%s\",\"required\":%s,\"detail\":", state_word[c->state], c->required ? "true" : "false");
		json_text(stdout, c->detail);
		fputs(",\"effect\":", stdout);
		json_text(stdout, c->effect);
		fputc('}', stdout);
	}
	fputs("\n]\n", stdout);
}

static void print_nul(const struct report *r)
{
	for (size_t i = 0; i < r->count; i++) {
		printf("%s\t%s\t%s", state_word[r->list[i].state], r->list[i].name, r->list[i].detail);
		fputc('\0', stdout);
	}
}

/* columns: of the terminal, 0 for none. Where little is left beside the names, what is said of them stands below. */
static void print_check(const struct check *c, int width, int columns, bool colour)
{
	size_t beside = STATE_WIDTH + 1 + (size_t)width + 2, wide = (size_t)columns;
	bool below = columns && wide < beside + DETAIL_MIN;
	size_t indent = below ? 2 : beside;
	static const char *const paint[] = { [WALL_STANDS] = "\033[32m", [WALL_WEAKER] = "\033[33m", [WALL_MISSING] = "\033[31m" };
	bool needed = c->required && c->state == WALL_MISSING;

	printf("%s%-*s%s ", colour ? paint[c->state] : "", STATE_WIDTH, state_word[c->state], colour ? "\033[m" : "");
	if (below) {
		text_wrap(stdout, c->name, STATE_WIDTH + 1, 2, wide);
		printf("  ");
	} else {
		int n = printf("%-*s  ", width, c->name);

		/* One of the names that stand out. */
		beside = n > width + 2 ? STATE_WIDTH + 1 + (size_t)n : beside;
	}
	text_wrap(stdout, c->detail, below ? 2 : beside, indent, wide);
	if (c->state == WALL_STANDS || !*c->effect)
		return;
	printf("%*s%s", (int)indent, "", needed ? "required: " : "");
	text_wrap(stdout, c->effect, indent + (needed ? strlen("required: ") : 0), indent, wide);
}

static bool keeps_from_running(const struct check *c)
{
	return c->required && c->state == WALL_MISSING;
}

static void print_verdict(const struct report *r, int columns)
{
	size_t weaker = 0, missing = 0, at = 0;
	char text[1024];

	for (size_t i = 0; i < r->count; i++) {
		missing += keeps_from_running(&r->list[i]);
		weaker += r->list[i].state != WALL_STANDS;
	}
	if (!missing) {
		at = (size_t)snprintf(text, sizeof text, "cowbox can run here: all that is required stands");
		if (weaker)
			snprintf(text + at, sizeof text - at, " (%zu not in full: see above)", weaker);
	} else {
		at = (size_t)snprintf(text, sizeof text, "cowbox cannot run here without");
		for (size_t i = 0, n = 0; i < r->count && at < sizeof text; i++)
			if (keeps_from_running(&r->list[i]))
				at += (size_t)snprintf(text + at, sizeof text - at, "%s %s", n++ ? "," : "", r->list[i].name);
	}
	text_wrap(stdout, text, 0, 2, (size_t)columns);
}

static void print_text(const struct report *r, bool colour)
{
	int width = 0, columns = term_columns(STDOUT_FILENO);

	for (size_t i = 0; i < r->count; i++) {
		int n = (int)strlen(r->list[i].name);

		width = n > width && n <= NAME_WIDTH ? n : width;
	}
	for (size_t i = 0; i < r->count; i++)
		print_check(&r->list[i], width, columns, colour);
	print_verdict(r, columns);
}

static void check_walls(struct report *report)
{
	struct wall walls[WALLS_MAX];
	size_t n = trace_probe(walls);

	for (size_t i = 0; i < n; i++)
		add_check(report, walls[i].name, walls[i].state, walls[i].required, walls[i].detail, walls[i].effect);
}

static void check_boxes(struct report *report, struct store *store)
{
	_cleanup_strv_ char **names = NULL;
	struct err err = { 0 };
	char name[BOX_NAME_MAX + 8];
	size_t sound = 0;

	if (store_list(store, &names, &err) < 0) {
		add_check(report, "boxes", WALL_MISSING, true, err.msg, "no box can be used");
		return;
	}
	for (char **n = names; *n; n++) {
		_cleanup_box_ struct box *box = NULL;

		if (box_open(store, *n, &box, &err) == 0) {
			sound++;
			continue;
		}
		snprintf(name, sizeof name, "box %s", *n);
		add_check(report, name, WALL_WEAKER, false, err.msg, "this box cannot be used");
	}
	snprintf(name, sizeof name, "%zu sound", sound);
	add_check(report, "boxes", WALL_STANDS, false, name, "");
}

/* What a box changes lands here: a guest gets ENOSPC when it is full. */
static void check_room(struct report *report, const struct store *store)
{
	char detail[96], room[32], size[32];
	struct statvfs fs;
	uint64_t left, all;

	if (statvfs(store->path, &fs) < 0 || !fs.f_blocks)
		return;
	left = (uint64_t)fs.f_bavail * fs.f_frsize;
	all = (uint64_t)fs.f_blocks * fs.f_frsize;
	snprintf(detail, sizeof detail, "%s free of %s", size_text(left, room), size_text(all, size));
	if (left < ROOM_MIN || left < all / 100)
		add_check(report, "room for boxes", WALL_WEAKER, false, detail,
		          "a box that changes much will run out of space: make some, or name another place with COWBOX_HOME");
	else
		add_check(report, "room for boxes", WALL_STANDS, false, detail, "");
}

/* What a layer needs, tried in a new directory of that one, which is removed again: rights alone do not tell (/proc, a read-only mount). 0, or
 * -errno and in ret_what what failed. */
static int try_directory(const char *dir, const char **ret_what)
{
	char own[PATH_MAX], node[PATH_MAX];
	int r = path_join(own, sizeof own, dir, ".cowbox-doctor-XXXXXX");

	*ret_what = "nothing can be made in";
	if (r >= 0)
		r = mkdtemp(own) ? 0 : -errno;
	if (r < 0)
		return r;
	*ret_what = "no extended attributes (user.*) are kept in";
	if (setxattr(own, "user.overlay.opaque", "y", 1, 0) < 0)
		r = -errno;
	if (r == 0 && path_join(node, sizeof node, own, "whiteout") >= 0) {
		*ret_what = "no whiteout (a character device 0:0) can be made in";
		r = mknod(node, S_IFCHR, 0) < 0 ? -errno : 0;
		unlink(node);
	}
	rmdir(own);
	return r;
}

/* The first run would make it, and the directories above: the nearest that is there tells whether it can. */
static void check_place(struct report *report)
{
	char path[PATH_MAX], shown[PATH_MAX], detail[PATH_MAX + 128];
	const char *what;
	struct err err = { 0 };
	struct stat st;

	if (store_locate(path, &err) < 0) {
		add_check(report, "store", WALL_MISSING, true, err.msg, STORE_ELSEWHERE);
		return;
	}
	while (path[1] && stat(path, &st) < 0 && errno == ENOENT)
		path_split(path, path, sizeof path);
	int r = try_directory(path, &what);
	if (r == 0) {
		add_check(report, "store", WALL_STANDS, true, "not there yet: the first cowbox run makes it", "");
		return;
	}
	snprintf(detail, sizeof detail, "%s %s: %s", what, path_printable(path, shown, sizeof shown), strerror(-r));
	add_check(report, "store", WALL_MISSING, true, detail, STORE_ELSEWHERE);
}

static void check_store(struct report *report)
{
	_cleanup_store_ struct store *store = NULL, *tried = NULL;
	struct err err = { 0 };
	int r = store_open(false, &store, &err);

	if (r == -ENOENT) {
		check_place(report);
		return;
	}
	/* As a run opens it: a box must be writable. */
	if (r == 0)
		r = store_open(true, &tried, &err);
	if (r < 0)
		add_check(report, "store", WALL_MISSING, true, err.msg, STORE_ELSEWHERE);
	if (!store)
		return;
	if (r == 0)
		add_check(report, "store", WALL_STANDS, true, store->path, "");
	check_room(report, store);
	check_boxes(report, store);
}

static int run_doctor(const struct verb *v, int argc, char **argv)
{
	_cleanup_options_ struct options o = { 0 };
	enum colour_when when = COLOUR_AUTO;
	_cleanup_(report_release) struct report report = { 0 };
	enum form form = FORM_TEXT;
	int id;

	if (options_init(&o, v, argc, argv) < 0)
		return CMD_FAILED;
	while ((id = options_next(&o)) > 0) {
		if (help_common(v, id))
			return CMD_OK;
		if (form_option(v, id, &form) != 0)
			return CMD_USAGE;
		if (id == OPT_COLOR && colour_parse(o.value, &when) < 0)
			return usage(v, "--color=%s: it is auto, always or never", o.value);
	}
	if (id < 0)
		return CMD_USAGE;
	if (o.nargs)
		return usage(v, "it takes no arguments: %s", o.args[0]);
	check_walls(&report);
	check_store(&report);
	if (report.broken) {
		log_say("doctor: out of memory");
		return CMD_LEFT;
	}
	if (form == FORM_JSON)
		print_json(&report);
	else if (form == FORM_NUL)
		print_nul(&report);
	else
		print_text(&report, colour_wanted(when, STDOUT_FILENO));
	for (size_t i = 0; i < report.count; i++)
		if (keeps_from_running(&report.list[i]))
			return CMD_LEFT;
	return CMD_OK;
}

const struct verb verb_doctor = {
	.name = "doctor",
	.usage = "[--json | -z] [--color[=WHEN]]",
	.summary = "check what this machine offers, and the store",
	.details = "One line a check: ok, weaker (it works, with what is said) or missing. What is required and missing keeps "
		   "cowbox from running:\nthe last line tells.",
	.exits = "0 all that is required stands\n1 something required is missing\n2 wrong usage",
	.options = options,
	.run = run_doctor,
};

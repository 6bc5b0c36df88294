/* status.c - cowbox status: what the box changed. */
#include "cmd.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct option_row options[] = {
	{ 'b', "box", "BOX", NULL, "the box (else $COWBOX_BOX, else the one used last)" },
	{ OPT_JSON, "json", NULL, NULL, "a JSON array, one object a change" },
	{ 'z', NULL, NULL, NULL, "letter, ! or space, path, NUL; after a renamed one its old path, NUL" },
	{ OPT_COLOR, "color", "WHEN", "always", "auto (as without it), always or never" },
	{ 0 },
};

const char *kind_name(enum change_kind k)
{
	switch (k) {
	case CHANGE_ADDED:
		return "added";
	case CHANGE_MODIFIED:
		return "modified";
	case CHANGE_DELETED:
		return "deleted";
	case CHANGE_RENAMED:
		return "renamed";
	case CHANGE_TYPE:
		return "type";
	case CHANGE_META:
		return "metadata";
	}
	return "unknown";
}

const char *kind_colour(enum change_kind k)
{
	switch (k) {
	case CHANGE_ADDED:
		return "\033[32m";
	case CHANGE_DELETED:
		return "\033[31m";
	case CHANGE_RENAMED:
		return "\033[36m";
	default:
		return "\033[33m";
	}
}

const char *mode_type(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symlink";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	case S_IFCHR:
		return "chardev";
	case S_IFBLK:
		return "blockdev";
	}
	return "none";
}

static void json_object(FILE *out, const char *key, const struct stat *st)
{
	if (!st->st_mode) {
		fprintf(out, ",\"%s\":null", key);
		return;
	}
	fprintf(out, ",\"%s\":{\"type\":\"%s\",\"mode\":\"%04o\",\"uid\":%u,\"gid\":%u,\"size\":%lld,\"mtime_ns\":%lld}", key,
	        mode_type(st->st_mode), (unsigned)(st->st_mode & 07777), st->st_uid, st->st_gid, (long long)st->st_size,
	        (long long)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec);
}

static void print_json(FILE *out, const struct commit_item *it, bool first)
{
	const struct change *ch = it->change;
	const struct stat *st = ch->box.st_mode ? &ch->box : &ch->host;

	fputs(first ? "\n  {" : ",\n  {", out);
	json_path(out, "path", ch->path);
	fprintf(out, ",\"kind\":\"%s\",\"letter\":\"%c\"", kind_name(ch->kind), (char)ch->kind);
	if (ch->from) {
		fputc(',', out);
		json_path(out, "from", ch->from);
	}
	if (it->one_with) {
		fputc(',', out);
		json_path(out, "one_with", it->one_with);
	}
	if (it->marks & COMMIT_CAPABILITIES)
		fputs(",\"capabilities\":true", out);
	fprintf(out, ",\"type\":\"%s\",\"mode\":\"%04o\",\"size\":%lld,\"content\":%s,\"host_changed\":%s", mode_type(st->st_mode),
	        (unsigned)(st->st_mode & 07777), (long long)st->st_size, ch->content ? "true" : "false",
	        ch->host_changed ? "true" : "false");
	fprintf(out, ",\"conflict\":%s,\"commit\":\"%s\",\"why\":", it->verdict == COMMIT_CONFLICT ? "true" : "false",
	        verdict_name(it->verdict));
	json_text(out, it->why);
	json_object(out, "box", &ch->box);
	json_object(out, "host", &ch->host);
	fputc('}', out);
}

void change_print(FILE *out, const struct change *ch)
{
	char text[4 * PATH_MAX];
	bool stays = ch->from && strcmp(ch->from, ch->path) == 0;

	if (ch->from && !stays)
		fprintf(out, "%s -> ", path_printable(ch->from, text, sizeof text));
	fputs(path_printable(ch->path, text, sizeof text), out);
	if (S_ISDIR(ch->box.st_mode ? ch->box.st_mode : ch->host.st_mode))
		fputc('/', out);
	if (stays)
		fputs(" (stays there, where its directory moves away)", out);
}

char *about_text(const struct commit_item *it, char *ret, size_t size)
{
	const struct stat *box = &it->change->box;
	char text[4 * PATH_MAX], uid[48] = "", gid[48] = "";

	if (it->marks & COMMIT_SETUID)
		snprintf(uid, sizeof uid, " [set-uid: runs as user %u]", box->st_uid);
	if (it->marks & COMMIT_SETGID)
		snprintf(gid, sizeof gid, " [set-gid: runs as group %u]", box->st_gid);
	snprintf(ret, size, "%s%s%s%s%s%s", uid, gid, it->marks & COMMIT_CAPABILITIES ? " [has capabilities]" : "",
	         it->one_with ? " (one file with " : "", it->one_with ? path_printable(it->one_with, text, sizeof text) : "",
	         it->one_with ? ")" : "");
	return ret;
}

void print_about(FILE *out, const struct commit_item *it)
{
	char text[ABOUT_MAX];

	fputs(about_text(it, text, sizeof text), out);
}

static void print_text(FILE *out, const struct commit_item *it, bool colour)
{
	const struct change *ch = it->change;
	bool left = verdict_is_left(it->verdict);

	if (colour)
		fputs(kind_colour(ch->kind), out);
	fprintf(out, "%c%c ", (char)ch->kind, left ? '!' : ' ');
	change_print(out, ch);
	if (colour)
		fputs("\033[m", out);
	print_about(out, it);
	if (left)
		fprintf(out, "  (%s: %s)", verdict_label(it->verdict), it->why);
	fputc('\n', out);
}

static void print_nul(FILE *out, const struct commit_item *it)
{
	const struct change *ch = it->change;

	fprintf(out, "%c%c%s%c", (char)ch->kind, verdict_is_left(it->verdict) ? '!' : ' ', ch->path, '\0');
	if (ch->from)
		fprintf(out, "%s%c", ch->from, '\0');
}

/* What commit would leave, and what can be done about it. */
static void tell_left(const struct session *s, size_t conflicts, size_t others)
{
	const char *name = s->box->name;

	if (conflicts)
		log_say("%zu change%s (marked !): the host changed there too since. On a terminal cowbox commit -b %s asks what to "
		        "do; look: "
		        "cowbox diff -b %s PATH; give one up: cowbox discard -b %s PATH",
		        conflicts, conflicts == 1 ? " conflicts" : "s conflict", name, name, name);
	if (others)
		log_say("%zu %schange%s (marked !) would be left in the box by cowbox commit, for the reason given", others,
		        conflicts ? "more " : "", others == 1 ? "" : "s");
}

static void print_all(const struct session *s, const struct commit_plan *plan, const struct paths *paths, enum form form,
                      bool colour)
{
	size_t n = 0, conflicts = 0, others = 0;

	if (form == FORM_JSON)
		fputc('[', stdout);
	for (size_t i = 0; i < plan->count; i++) {
		const struct commit_item *it = &plan->items[i];

		if (!paths_match(paths, it->change))
			continue;
		if (form == FORM_JSON)
			print_json(stdout, it, n == 0);
		else if (form == FORM_NUL)
			print_nul(stdout, it);
		else
			print_text(stdout, it, colour);
		conflicts += it->verdict == COMMIT_CONFLICT;
		others += verdict_is_left(it->verdict) && it->verdict != COMMIT_CONFLICT;
		n++;
	}
	if (form == FORM_JSON)
		fputs(n ? "\n]\n" : "]\n", stdout);
	if (form != FORM_TEXT)
		return;
	fflush(stdout);
	tell_left(s, conflicts, others);
}

static int status(const struct verb *v, const struct options *o, const char *box, enum form form, enum colour_when when)
{
	_cleanup_session_ struct session s = { 0 };
	_cleanup_paths_ struct paths paths = { 0 };
	_cleanup_commit_plan_ struct commit_plan *plan = NULL;
	struct err err = { 0 };
	int r;

	r = session_open_paths(&s, box, o, &paths, &err);
	if (r == 0)
		r = commit_plan_new(s.ov, &plan, &err);
	if (r < 0)
		return say_error(v->name, &err);
	/* As `commit -a` would see it: what is left makes other changes wait. */
	commit_choose(plan, (struct vpath){ "/" });
	commit_settle(plan);
	paths_tell_unchanged(&paths, &plan->changes, s.box);
	print_all(&s, plan, &paths, form, form == FORM_TEXT && colour_wanted(when, STDOUT_FILENO));
	if (plan->count == 0 && paths.count == 0 && form == FORM_TEXT)
		log_say("box %s has no changes", s.box->name);
	return CMD_OK;
}

static int run_status(const struct verb *v, int argc, char **argv)
{
	_cleanup_options_ struct options o = { 0 };
	enum colour_when when = COLOUR_AUTO;
	enum form form = FORM_TEXT;
	const char *box = NULL;
	int id;

	if (options_init(&o, v, argc, argv) < 0)
		return CMD_FAILED;
	while ((id = options_next(&o)) > 0) {
		if (help_common(v, id))
			return CMD_OK;
		if (form_option(v, id, &form) != 0)
			return CMD_USAGE;
		if (id == 'b')
			box = o.value;
		else if (id == OPT_COLOR && colour_parse(o.value, &when) < 0)
			return usage(v, "--color=%s: it is auto, always or never", o.value);
	}
	return id < 0 ? CMD_USAGE : status(v, &o, box, form, when);
}

const struct verb verb_status = {
	.name = "status",
	.usage = "[-b BOX] [--json | -z] [--color[=WHEN]] [PATH...]",
	.summary = "list what the box changed",
	.details = "One line a change: a letter, two spaces, the path (a directory ends in /). With PATHs only what is at or below "
		   "them.\n"
		   "  A added, M modified, D deleted, R renamed (old -> new), T type changed, m only metadata changed\n"
		   "A ! after the letter marks what cowbox commit would leave in the box, and the end of the line says why; a "
		   "conflict is\n"
		   "where the host changed too since the box first did. cowbox diff PATH shows it, cowbox discard PATH gives the "
		   "box's side up.",
	.exits = "0 listed, whether there are changes or not (a PATH without any is named)\n2 wrong usage\n3 the box could not be "
		 "read",
	.options = options,
	.run = run_status,
};

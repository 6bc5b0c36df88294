/* commit_tell.c - what a commit would do, and what it did: for people on stderr, for programs as JSON. */
#include "commit_ui.h"

#include <string.h>
#include <unistd.h>

#include "base/copy.h"
#include "commit/history.h"

const char *verdict_name(enum commit_verdict v)
{
	static const char *const word[] = {
		[COMMIT_APPLY] = "apply",   [COMMIT_SAME] = "same", [COMMIT_CONFLICT] = "conflict",
		[COMMIT_REFUSE] = "refuse", [COMMIT_WAIT] = "wait",
	};

	return word[v];
}

const char *verdict_label(enum commit_verdict v)
{
	return v == COMMIT_WAIT ? "left" : verdict_name(v);
}

bool verdict_is_left(enum commit_verdict v)
{
	return v != COMMIT_APPLY && v != COMMIT_SAME;
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

/* ---- for programs ---- */

/* How the host came to have it. */
static const char *how_name(const struct commit_item *it)
{
	static const char *const word[] = {
		[RESOLVE_NONE] = "applied", [RESOLVE_BOX] = "box",   [RESOLVE_HOST] = "host",
		[RESOLVE_TEXT] = "merged",  [RESOLVE_BOTH] = "both",
	};

	if (it->part && it->resolved == RESOLVE_TEXT)
		return "part";
	return it->resolved == RESOLVE_NONE && it->verdict == COMMIT_SAME ? "same" : word[it->resolved];
}

static void json_item(const struct commit_item *it, bool first, bool verdict)
{
	const struct change *ch = it->change;

	fputs(first ? "\n    {" : ",\n    {", stdout);
	json_path(stdout, "path", ch->path);
	printf(",\"kind\":\"%s\",\"letter\":\"%c\"", kind_name(ch->kind), (char)ch->kind);
	if (ch->from) {
		fputc(',', stdout);
		json_path(stdout, "from", ch->from);
	}
	if (it->beside && it->resolved == RESOLVE_BOTH) {
		fputc(',', stdout);
		json_path(stdout, "beside", it->beside);
	}
	if (verdict)
		printf(",\"verdict\":\"%s\",\"row\":%u", verdict_name(it->verdict), it->row);
	printf(",\"how\":\"%s\",\"why\":", how_name(it));
	json_text(stdout, it->why);
	fputc('}', stdout);
}

static void json_plan(const struct commit_plan *plan)
{
	bool first = true;

	fputc('[', stdout);
	for (size_t i = 0; i < plan->count; i++) {
		if (!plan->items[i].chosen)
			continue;
		json_item(&plan->items[i], first, true);
		first = false;
	}
	fputs(first ? "]\n" : "\n]\n", stdout);
}

/* What of the chosen was not tried is left too: where one failed, nothing was committed. */
static void json_list(const struct commit_plan *plan, const char *key, enum commit_outcome a, enum commit_outcome b)
{
	bool first = true;

	printf("\"%s\":[", key);
	for (size_t i = 0; plan && i < plan->count; i++) {
		const struct commit_item *it = &plan->items[i];

		if (!it->chosen || (it->outcome != a && it->outcome != b))
			continue;
		json_item(it, first, false);
		first = false;
	}
	fputs(first ? "]" : "\n  ]", stdout);
}

/* The entry that this commit made; 0: none. */
static unsigned entry_number(const struct session *s)
{
	struct history_entry *list = NULL;
	size_t n = 0;
	unsigned number = 0;

	if (history_list(s->store, &list, &n, NULL) < 0)
		return 0;
	for (size_t i = n; i > 0 && !number; i--)
		if (!list[i - 1].undo && strcmp(list[i - 1].box, s->box->name) == 0)
			number = list[i - 1].number;
	history_free(list, n);
	return number;
}

static void json_result(const struct session *s, const struct commit_plan *plan, unsigned entry)
{
	fputs("{", stdout);
	fputs("\"box\":", stdout);
	json_text(stdout, s->box->name);
	fputs(",\n  ", stdout);
	json_list(plan, "committed", COMMIT_DONE, COMMIT_DONE);
	fputs(",\n  ", stdout);
	json_list(plan, "left", COMMIT_LEFT, COMMIT_UNTRIED);
	fputs(",\n  ", stdout);
	json_list(plan, "failed", COMMIT_FAILED, COMMIT_FAILED);
	if (entry)
		printf(",\n  \"entry\":%u}\n", entry);
	else
		fputs(",\n  \"entry\":null}\n", stdout);
	fflush(stdout);
}

void tell_nothing(const struct session *s, enum form form, bool dry)
{
	if (form != FORM_JSON)
		return;
	if (dry)
		fputs("[]\n", stdout);
	else
		json_result(s, NULL, 0);
	fflush(stdout);
}

/* ---- what would be done ---- */

static void print_plan(const struct commit_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct commit_item *it = &plan->items[i];

		if (!it->chosen)
			continue;
		printf("%-8s %c  ", verdict_label(it->verdict), (char)it->change->kind);
		change_print(stdout, it->change);
		print_about(stdout, it);
		printf("%s%s\n", it->why[0] ? ": " : "", it->why);
	}
}

/* ---- what was done ---- */

/* A socket: done with, and not on the host. */
static bool is_left_out(const struct commit_item *it)
{
	return it->verdict == COMMIT_SAME && it->resolved == RESOLVE_NONE && S_ISSOCK(it->change->box.st_mode) && !it->change->host.st_mode;
}

static void tell_done(const struct commit_item *it, const char *path)
{
	char beside[4 * PATH_MAX];

	if (it->lost & COPY_LOST_OWNER)
		log_warn("%s: its owner could not be set to %u:%u", path, it->change->box.st_uid, it->change->box.st_gid);
	if (it->lost & COPY_LOST_XATTR)
		log_warn("%s: some extended attributes could not be set", path);
	if (is_left_out(it))
		log_say("left out: %s: %s", path, it->why);
	if (it->resolved == RESOLVE_BOTH && it->beside)
		log_say("both: %s: the box's is %s", path, path_printable(it->beside, beside, sizeof beside));
}

static void tell_items(const struct commit_plan *plan)
{
	char path[4 * PATH_MAX];

	for (size_t i = 0; i < plan->count; i++) {
		const struct commit_item *it = &plan->items[i];

		if (!it->chosen)
			continue;
		if (it->outcome == COMMIT_LEFT)
			log_say("left: %s: %s", item_name(it, path), it->why);
		else if (it->outcome == COMMIT_FAILED)
			log_say("failed: %s: %s", item_name(it, path), it->why);
		else if (it->outcome == COMMIT_DONE)
			tell_done(it, item_name(it, path));
	}
}

struct counts {
	size_t same, host, out, merged, parts, conflicts;
};

/* done: of what was done; else of what would be. */
static struct counts count_items(const struct commit_plan *plan, bool was_done)
{
	struct counts n = { 0 };

	for (size_t i = 0; i < plan->count; i++) {
		const struct commit_item *it = &plan->items[i];
		bool done = it->chosen && (was_done ? it->outcome == COMMIT_DONE : !verdict_is_left(it->verdict)), same = done && it->verdict == COMMIT_SAME;

		n.out += same && is_left_out(it);
		n.same += same && it->resolved != RESOLVE_HOST && !is_left_out(it);
		n.host += same && it->resolved == RESOLVE_HOST;
		n.merged += done && it->resolved == RESOLVE_TEXT && strcmp(how_name(it), "part") != 0;
		n.parts += done && strcmp(how_name(it), "part") == 0;
		n.conflicts += it->chosen && it->outcome == COMMIT_LEFT && it->verdict == COMMIT_CONFLICT;
	}
	return n;
}

/* " (1 merged, 2 were the same already; cowbox undo takes it back)", or nothing. */
static void also_text(const struct counts *n, const char *hint, char ret[static 160])
{
	const struct {
		size_t count;
		const char *one, *more;
	} row[] = {
		{ n->merged, "merged", "merged" },
		{ n->parts, "in part", "in part" },
		{ n->same, "was the same already", "were the same already" },
		{ n->host, "stays as the host has it", "stay as the host has them" },
		{ n->out, "left out", "left out" },
	};
	size_t at = 0;

	ret[0] = '\0';
	for (size_t k = 0; k < sizeof row / sizeof *row; k++)
		if (row[k].count)
			at += (size_t)snprintf(ret + at, 160 - at, "%s%zu %s", at ? ", " : " (", row[k].count,
			                       row[k].count == 1 ? row[k].one : row[k].more);
	if (*hint)
		at += (size_t)snprintf(ret + at, 160 - at, "%s%s", at ? "; " : " (", hint);
	if (at)
		snprintf(ret + at, 160 - at, ")");
}

static void tell_sum(const struct session *s, const struct commit_result *res, const struct counts *n)
{
	size_t done = res->done - n->same - n->host - n->out, rest = res->left;
	const char *name = s->box->name;
	char also[160];

	also_text(n, res->changed && isatty(STDERR_FILENO) ? "cowbox undo takes it back" : "", also);
	if (rest)
		log_say("committed %zu change%s%s, %zu left in box %s: see cowbox diff -b %s", done, plural(done), also, rest, name,
		        name);
	else
		log_say("committed %zu change%s of box %s%s", done, plural(done), name, also);
	if (n->conflicts)
		log_say("%zu conflict%s: on a terminal cowbox commit -b %s asks about %s; or cowbox commit -b %s "
		        "--on-conflict=merge|box|host|both PATH",
		        n->conflicts, plural(n->conflicts), name, n->conflicts == 1 ? "it" : "them", name);
}

int tell_plan(const struct session *s, const struct commit_plan *plan, enum form form)
{
	struct counts n = count_items(plan, false);
	size_t done = 0, left = 0;
	char also[160];

	for (size_t i = 0; i < plan->count; i++) {
		done += plan->items[i].chosen && !verdict_is_left(plan->items[i].verdict);
		left += plan->items[i].chosen && verdict_is_left(plan->items[i].verdict);
	}
	if (form == FORM_JSON)
		json_plan(plan);
	else
		print_plan(plan);
	fflush(stdout);
	if (form == FORM_JSON)
		return left ? CMD_LEFT : CMD_OK;
	done -= n.same + n.host + n.out;
	also_text(&n, "", also);
	if (left)
		log_say("would commit %zu change%s of box %s%s, and leave %zu in it", done, plural(done), s->box->name, also, left);
	else
		log_say("would commit %zu change%s of box %s%s", done, plural(done), s->box->name, also);
	return left ? CMD_LEFT : CMD_OK;
}

int tell_result(const struct session *s, const struct commit_plan *plan, const struct commit_result *res, enum form form)
{
	struct counts n = count_items(plan, true);
	bool nothing = res->failed || res->untried;

	if (form == FORM_JSON)
		json_result(s, plan, res->changed && !nothing ? entry_number(s) : 0);
	else
		tell_items(plan);
	for (size_t i = 0; i < plan->nnotes; i++)
		log_warn("%s", plan->notes[i]);
	if (res->unfinished)
		log_warn("the disk failed: the next cowbox command will finish this, or take it back");
	if (nothing) {
		log_say("%s%snothing was committed: all is still in box %s, and the host as it was", res->trouble,
		        res->trouble[0] ? ": " : "", s->box->name);
		return CMD_FAILED;
	}
	if (form != FORM_JSON)
		tell_sum(s, res, &n);
	if (res->unforgotten)
		log_warn("%zu committed change%s could not be taken out of box %s", res->unforgotten, plural(res->unforgotten),
		         s->box->name);
	return res->left ? CMD_LEFT : CMD_OK;
}

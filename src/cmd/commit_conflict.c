/* commit_conflict.c - what becomes of changes that the host has made too. */
#include "commit_ui.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* One conflict, as far as it was looked into. */
struct conflict {
	struct asking *a;
	size_t i;
	struct sides sides;
	bool texts;            /* texts: both sides have one */
	bool has_merge, clean; /* has_merge: m is there; clean: without markers */
	struct merged m;
	char why_not[200];      /* why_not: there is no merge */
	struct scratch scratch; /* scratch: with what the editor and the tool have made of it so far */
	char path[PATH_MAX];    /* path: of that; "" as long as there is none */
	struct merge_tool *tool;
};

static const struct {
	const char *name;
	enum on_conflict how;
} ways[] = {
	{ "ask", ON_CONFLICT_ASK },   { "skip", ON_CONFLICT_SKIP },   { "box", ON_CONFLICT_BOX },
	{ "host", ON_CONFLICT_HOST }, { "merge", ON_CONFLICT_MERGE }, { "both", ON_CONFLICT_BOTH },
};

const char *on_conflict_name(enum on_conflict how)
{
	return ways[how].name;
}

int on_conflict_parse(const char *text, enum on_conflict *ret)
{
	for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
		if (strcmp(text, ways[k].name) == 0) {
			*ret = ways[k].how;
			return 0;
		}
	}
	return -EINVAL;
}

static struct commit_item *item(const struct conflict *c)
{
	return &c->a->plan->items[c->i];
}

static bool is_open(const struct commit_item *it)
{
	return it->chosen && it->verdict == COMMIT_CONFLICT && it->resolved == RESOLVE_NONE;
}

static size_t open_count(const struct commit_plan *plan, size_t from)
{
	size_t n = 0;

	for (size_t i = from; i < plan->count; i++)
		n += is_open(&plan->items[i]);
	return n;
}

bool has_conflicts(const struct commit_plan *plan)
{
	return open_count(plan, 0) > 0;
}

/* ---- looking into it ---- */

static void conflict_release(struct conflict *c)
{
	sides_release(&c->sides);
	merged_release(&c->m);
	scratch_remove(&c->scratch);
}
#define _cleanup_conflict_ _cleanup_(conflict_release)

/* The texts, and their merge, where there are any. What has no merge is decided as a whole. */
static void look_into(struct conflict *c)
{
	char label[BOX_NAME_MAX + 8];
	struct err err = { 0 };
	int r = sides_read(c->a->plan, c->i, &c->sides, &err);

	if (r == 0 && !c->sides.has_host)
		r = err_set(&err, -ENOENT, "the host has it no more");
	c->texts = r == 0;
	/* Then a text would settle but a part of it. */
	if (r == 0 && !item(c)->mergeable)
		r = err_set(&err, -EOPNOTSUPP, "it is not the content that both changed");
	if (r == 0) {
		snprintf(label, sizeof label, "box %s", c->a->s->box->name);
		r = sides_merge(&c->sides, label, &c->m, &err);
	}
	c->has_merge = r >= 0;
	c->clean = r == 1;
	if (r < 0)
		snprintf(c->why_not, sizeof c->why_not, "%.190s", err.msg);
}

static void merge_verdict(const struct conflict *c, char *ret, size_t size)
{
	if (!c->has_merge)
		snprintf(ret, size, "no merge: %s", c->why_not);
	else if (c->clean)
		snprintf(ret, size, "the two merge cleanly");
	else if (!c->sides.has_base && item(c)->change->origin && item(c)->change->origin->kind != ORIGIN_ABSENT)
		snprintf(ret, size, "no merge: the original was not kept");
	else if (c->m.conflicts == 0)
		snprintf(ret, size, "no merge: both have made it");
	else
		snprintf(ret, size, "both changed the same lines in %zu place%s", c->m.conflicts, c->m.conflicts == 1 ? "" : "s");
}

static bool has_two_files(const struct commit_item *it)
{
	return S_ISREG(it->change->box.st_mode) && S_ISREG(it->change->host.st_mode);
}

/* ---- deciding without asking ---- */

/* Without the path that stands before it in the line where it is told. */
static void set_why(struct commit_item *it, const char *text)
{
	char name[4 * PATH_MAX];
	size_t n;

	item_name(it, name);
	n = strlen(name);
	if (strncmp(text, name, n) == 0 && strncmp(text + n, ": ", 2) == 0)
		text += n + 2;
	snprintf(it->why, sizeof it->why, "%.*s", COMMIT_WHY_MAX - 1, text);
}

static int resolve(struct conflict *c, enum commit_resolution how, const void *text, size_t size, struct err *err)
{
	int r = commit_resolve(c->a->plan, c->i, how, text, size, false, err);

	if (r == 0)
		c->a->taken++;
	return r;
}

static void decide_merge(struct conflict *c)
{
	struct err err = { 0 };
	char text[256];

	look_into(c);
	/* What is no text on both sides has its reason already. */
	if (!has_two_files(item(c)))
		return;
	if (!c->clean) {
		merge_verdict(c, text, sizeof text);
		set_why(item(c), text);
	} else if (resolve(c, RESOLVE_TEXT, c->m.data, c->m.size, &err) < 0) {
		set_why(item(c), err.msg);
	}
}

static void decide(struct asking *a, size_t i, enum on_conflict how)
{
	static const enum commit_resolution resolution[] = {
		[ON_CONFLICT_BOX] = RESOLVE_BOX,
		[ON_CONFLICT_HOST] = RESOLVE_HOST,
		[ON_CONFLICT_BOTH] = RESOLVE_BOTH,
	};
	_cleanup_conflict_ struct conflict c = { .a = a, .i = i };
	struct err err = { 0 };

	if (how == ON_CONFLICT_MERGE)
		decide_merge(&c);
	else if (resolve(&c, resolution[how], NULL, 0, &err) < 0)
		set_why(item(&c), err.msg);
}

/* ---- telling ---- */

static const char *what_box_did(const struct change *ch)
{
	switch (ch->kind) {
	case CHANGE_ADDED:
		/* Of what the host has lost since it is none. */
		return ch->origin && ch->origin->kind != ORIGIN_ABSENT ? "changed" : "made new";
	case CHANGE_DELETED:
		return "deleted";
	case CHANGE_RENAMED:
		return "renamed";
	case CHANGE_TYPE:
		return "made another thing";
	case CHANGE_META:
		return "only metadata changed";
	case CHANGE_MODIFIED:
		break;
	}
	return "changed";
}

/* " (a file of 12 B, 3 s old)", or nothing. */
static void state_text(const struct stat *st, char *ret, size_t size)
{
	char bytes[32], age[32];

	*ret = '\0';
	if (!st->st_mode)
		return;
	age_text(time(NULL) - st->st_mtim.tv_sec, age);
	if (S_ISREG(st->st_mode))
		snprintf(ret, size, " (%s, %s old)", size_text((uint64_t)st->st_size, bytes), age);
	else
		snprintf(ret, size, " (a %s, %s old)", mode_type(st->st_mode), age);
}

/* After "host: ", where it is plain whose it is. */
static const char *host_did(const char *why)
{
	static const char *const whose[] = { "the host's was ", "the host's ", "the host " };

	for (size_t k = 0; k < sizeof whose / sizeof *whose; k++)
		if (strncmp(why, whose[k], strlen(whose[k])) == 0)
			return why + strlen(whose[k]);
	return why;
}

static void tell_conflict(const struct conflict *c, size_t number, size_t count)
{
	const struct commit_item *it = item(c);
	char name[4 * PATH_MAX], state[128], verdict[256];

	fprintf(stderr, "Conflict %zu of %zu: ", number, count);
	change_print(stderr, it->change);
	state_text(&it->change->box, state, sizeof state);
	fprintf(stderr, "\n  box:  %s%s\n", what_box_did(it->change), state);
	state_text(&it->change->host, state, sizeof state);
	fprintf(stderr, "  host: %s%s\n", host_did(it->why), state);
	if (it->one_with)
		fprintf(stderr, "  it is one file with %s\n", path_printable(it->one_with, name, sizeof name));
	if (has_two_files(it)) {
		merge_verdict(c, verdict, sizeof verdict);
		fprintf(stderr, "  %s\n", verdict);
	}
}

/* ---- viewing ---- */

struct view {
	const char *title;
	const struct merge_side *old, *new;
};

static void write_views(const struct view *views, size_t n, char *const *texts, const size_t *sizes, FILE *out, unsigned flags)
{
	for (size_t k = 0; k < n; k++) {
		fprintf(out, "%s%s\n", k ? "\n" : "", views[k].title);
		diff_write_text(texts[k], sizes[k], flags, out);
		if (sizes[k] == 0)
			fputs("  nothing\n", out);
	}
}

static void show_views(const struct view *views, size_t n, char *const *texts, const size_t *sizes)
{
	unsigned flags = (isatty(STDOUT_FILENO) ? DIFF_VISIBLE : 0) | (colour_wanted(COLOUR_AUTO, STDOUT_FILENO) ? DIFF_COLOR : 0);
	struct pager pager;

	pager_begin(&pager);
	write_views(views, n, texts, sizes, pager.out, flags);
	if (!pager_end(&pager))
		write_views(views, n, texts, sizes, stdout, flags);
	fflush(stdout);
}

/* What each did to the original; where that is not known, how they differ. */
static void view(const struct conflict *c)
{
	const struct sides *s = &c->sides;
	const struct view both[] = { { "What the host changed:", &s->base, &s->host },
		                     { "What the box changed:", &s->base, &s->box } };
	const struct view one[] = { { "From the host's to the box's:", &s->host, &s->box } };
	const struct view *views = s->has_base ? both : one;
	size_t n = s->has_base ? 2 : 1, sizes[2] = { 0 };
	char *texts[2] = { NULL };
	struct err err = { 0 };
	int r = 0;

	if (!c->texts) {
		if (diff_show_path(c->a->plan, item(c)->change->path, false, &err) < 0)
			log_say("diff: %s", err.msg);
		return;
	}
	for (size_t k = 0; k < n && r == 0; k++)
		r = sides_diff(views[k].old, views[k].new, &texts[k], &sizes[k], &err);
	if (r == 0)
		show_views(views, n, texts, sizes);
	else
		log_say("%s", err.msg);
	free(texts[0]);
	free(texts[1]);
}

/* ---- an editor, a tool ---- */

/* The marked text in a file, as it was left the last time. */
static int marked_file(struct conflict *c, struct err *err)
{
	const char *name = strrchr(item(c)->change->path, '/') + 1;

	return c->path[0] ? 0 : scratch_write(&c->scratch, "merged", name, c->m.data, c->m.size, c->path, err);
}

static int run_tool(struct conflict *c, struct err *err)
{
	const char *name = strrchr(item(c)->change->path, '/') + 1;
	const struct sides *s = &c->sides;
	char base[PATH_MAX], box[PATH_MAX], host[PATH_MAX];
	int r = scratch_write(&c->scratch, "original", name, s->base.data, s->base.size, base, err);

	if (r == 0)
		r = scratch_write(&c->scratch, "box", name, s->box.data, s->box.size, box, err);
	if (r == 0)
		r = scratch_write(&c->scratch, "host", name, s->host.data, s->host.size, host, err);
	return r == 0 ? merge_tool_run(c->tool, base, box, host, c->path, err) : r;
}

/* Takes what the program has made of the text. 1: decided; 0: not, which was told. */
static int take_edited(struct conflict *c, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	int r = scratch_read(c->path, &text, &size, err);

	if (r < 0)
		return r;
	if (size == 0)
		return err_set(err, -ECANCELED, "the file is empty: that is not taken");
	if (size == c->m.size && memcmp(text, c->m.data, size) == 0)
		return err_set(err, -ECANCELED, "the file was left as it was");
	if (merge_has_markers(text, size, c->m.marker_size))
		return err_set(err, -ECANCELED, "there are still lines with markers: edit it further");
	return resolve(c, RESOLVE_TEXT, text, size, err);
}

/* true: decided. */
static bool edit(struct conflict *c, bool with_tool, enum asked *ret)
{
	struct err err = { 0 };
	int r = marked_file(c, &err);

	if (r == 0)
		r = with_tool ? run_tool(c, &err) : edit_file(c->path, &err);
	if (r == 0)
		r = take_edited(c, &err);
	if (r == -EINTR)
		*ret = ASKED_INTERRUPTED;
	else if (r < 0)
		log_say("%s", err.msg);
	/* It is not there any more, or nothing to begin with: the next time from the start. */
	if (r == -ENOENT || r == -ENODATA || r == -EFBIG || r == -EISDIR)
		c->path[0] = '\0';
	return r == 0 || r == -EINTR;
}

/* ---- asking ---- */

static const struct key_help help[] = {
	{ 'm', "take the merged text" },
	{ 'b', "take the box's, whatever the host has now" },
	{ 'h', "keep the host's, and drop the box's change" },
	{ 'e', "edit the text with both sides' lines in it" },
	{ 't', "use your git merge tool" },
	{ '2', "keep both: the host's, and the box's beside it under another name" },
	{ 'v', "view what each side did" },
	{ 's', "skip: leave it in the box" },
	{ 'q', "skip this and all other conflicts (Ctrl-D too)" },
	{ '?', "this help" },
	{ KEY_INTERRUPT, "commit nothing" },
	{ 0 },
};

static const char *key_label(char key)
{
	static const struct {
		char key;
		const char *label;
	} labels[] = {
		{ 'm', "[m]erge" },  { 'b', "[b]ox" },  { 'h', "[h]ost" }, { 'e', "[e]dit" }, { 't', "[t]ool" },
		{ '2', "[2] both" }, { 'v', "[v]iew" }, { 's', "[s]kip" }, { 'q', "[q]uit" }, { '?', "[?]" },
	};

	for (size_t k = 0; k < sizeof labels / sizeof *labels; k++)
		if (labels[k].key == key)
			return labels[k].label;
	return "";
}

static bool both_possible(const struct change *ch)
{
	return ch->box.st_mode && ch->host.st_mode && !S_ISDIR(ch->box.st_mode) && ch->box.st_nlink <= 1 &&
	       ch->kind != CHANGE_RENAMED && ch->kind != CHANGE_META;
}

static int ask(const struct conflict *c)
{
	char keys[16], question[128] = "";
	size_t at = 0;

	snprintf(keys, sizeof keys, "%sbh%s%s%svsq?", c->clean ? "m" : "", c->has_merge ? "e" : "",
	         c->has_merge && merge_tool_find(c->tool) ? "t" : "", both_possible(item(c)->change) ? "2" : "");
	for (const char *k = keys; *k && at < sizeof question; k++)
		at += (size_t)snprintf(question + at, sizeof question - at, "%s ", key_label(*k));
	return term_choice(question, keys, help);
}

/* Does what the key says. true: it is done with, or *ret says why nothing more is asked. */
static bool answer(struct conflict *c, int key, enum asked *ret)
{
	struct err err = { 0 };
	int r;

	switch (key) {
	case 'm':
		r = resolve(c, RESOLVE_TEXT, c->m.data, c->m.size, &err);
		break;
	case 'b':
		r = resolve(c, RESOLVE_BOX, NULL, 0, &err);
		break;
	case 'h':
		r = resolve(c, RESOLVE_HOST, NULL, 0, &err);
		break;
	case '2':
		r = resolve(c, RESOLVE_BOTH, NULL, 0, &err);
		break;
	case 'e':
	case 't':
		return edit(c, key == 't', ret);
	case 'v':
		view(c);
		return false;
	case 's':
		return true;
	default:
		*ret = key == TERM_INTERRUPTED ? ASKED_INTERRUPTED : ASKED_QUIT;
		return true;
	}
	if (r < 0)
		log_say("%s", err.msg);
	return r == 0;
}

static enum asked ask_about(struct asking *a, size_t i, size_t number, size_t count, struct merge_tool *tool)
{
	_cleanup_conflict_ struct conflict c = { .a = a, .i = i, .tool = tool };
	enum asked r = ASKED_ALL;

	look_into(&c);
	tell_conflict(&c, number, count);
	while (!answer(&c, ask(&c), &r))
		;
	return r;
}

static enum asked ask_all(struct asking *a)
{
	struct merge_tool tool = { 0 };
	size_t number = 0;
	enum asked r = ASKED_ALL;

	/* What is decided for a directory may decide others: they are counted anew. */
	for (size_t i = 0; i < a->plan->count && r == ASKED_ALL; i++) {
		if (!is_open(&a->plan->items[i]))
			continue;
		number++;
		r = ask_about(a, i, number, number - 1 + open_count(a->plan, i), &tool);
	}
	merge_tool_release(&tool);
	return r;
}

enum asked decide_conflicts(struct asking *a, enum on_conflict how)
{
	if (how == ON_CONFLICT_SKIP)
		return ASKED_ALL;
	if (how == ON_CONFLICT_ASK)
		return ask_all(a);
	for (size_t i = 0; i < a->plan->count; i++)
		if (is_open(&a->plan->items[i]))
			decide(a, i, how);
	return ASKED_ALL;
}

/* doctor.c - cowbox doctor: what stands between a guest and the host here, and whether the store is sound. */
#include "cmd.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "trace/run.h"

static const struct option_row options[] = {
	{ OPT_JSON, "json", NULL, NULL, "a JSON array, one object a check" },
	{ OPT_COLOR, "color", "WHEN", "always", "auto (as without it), always or never" },
	{ 0 },
};

struct printer {
	bool json, colour;
	size_t rows;
	int status;
};

static void print_row(struct printer *p, const char *name, enum wall_state state, bool required, const char *detail,
                      const char *effect)
{
	static const char *const word[] = { [WALL_STANDS] = "ok", [WALL_WEAKER] = "weaker", [WALL_MISSING] = "missing" };
	static const char *const paint[] = { [WALL_STANDS] = "\033[32m", [WALL_WEAKER] = "\033[33m", [WALL_MISSING] = "\033[31m" };

	if (required && state == WALL_MISSING)
		p->status = CMD_LEFT;
	if (p->json) {
		fputs(p->rows++ ? ",\n  {\"name\":" : "\n  {\"name\":", stdout);
		json_text(stdout, name);
		printf(",\"state\":\"%s\",\"required\":%s,\"detail\":", word[state], required ? "true" : "false");
		json_text(stdout, detail);
		fputs(",\"effect\":", stdout);
		json_text(stdout, effect);
		fputc('}', stdout);
		return;
	}
	printf("%s%-8s%s %-32s %s\n", p->colour ? paint[state] : "", word[state], p->colour ? "\033[m" : "", name, detail);
	if (state != WALL_STANDS && *effect)
		printf("%-9s%s%s\n", "", required && state == WALL_MISSING ? "required: " : "", effect);
}

static void check_walls(struct printer *p)
{
	struct wall walls[WALLS_MAX];
	size_t n = trace_probe(walls);

	for (size_t i = 0; i < n; i++)
		print_row(p, walls[i].name, walls[i].state, walls[i].required, walls[i].detail, walls[i].effect);
}

static void check_boxes(struct printer *p, struct store *store)
{
	_cleanup_strv_ char **names = NULL;
	struct err err = { 0 };
	char name[BOX_NAME_MAX + 8];
	size_t sound = 0;

	if (store_list(store, &names, &err) < 0) {
		print_row(p, "boxes", WALL_MISSING, true, err.msg, "no box can be used");
		return;
	}
	for (char **n = names; *n; n++) {
		_cleanup_box_ struct box *box = NULL;

		if (box_open(store, *n, &box, &err) == 0) {
			sound++;
			continue;
		}
		snprintf(name, sizeof name, "box %s", *n);
		print_row(p, name, WALL_WEAKER, false, err.msg, "this box cannot be used");
	}
	snprintf(name, sizeof name, "%zu sound", sound);
	print_row(p, "boxes", WALL_STANDS, false, name, "");
}

static void check_store(struct printer *p)
{
	_cleanup_store_ struct store *store = NULL;
	struct err err = { 0 };
	int r = store_open(false, &store, &err);

	if (r == -ENOENT) {
		print_row(p, "store", WALL_STANDS, true, "not there yet: the first cowbox run makes it", "");
		return;
	}
	if (r < 0) {
		print_row(p, "store", WALL_MISSING, true, err.msg, "no box can be made");
		return;
	}
	print_row(p, "store", WALL_STANDS, true, store->path, "");
	check_boxes(p, store);
}

static int run_doctor(const struct verb *v, int argc, char **argv)
{
	_cleanup_options_ struct options o = { 0 };
	enum colour_when when = COLOUR_AUTO;
	struct printer p = { .status = CMD_OK };
	int id;

	if (options_init(&o, v, argc, argv) < 0)
		return CMD_FAILED;
	while ((id = options_next(&o)) > 0) {
		if (help_common(v, id))
			return CMD_OK;
		if (id == OPT_JSON)
			p.json = true;
		else if (id == OPT_COLOR && colour_parse(o.value, &when) < 0)
			return usage(v, "--color=%s: it is auto, always or never", o.value);
	}
	if (id < 0)
		return CMD_USAGE;
	if (o.nargs)
		return usage(v, "it takes no arguments: %s", o.args[0]);
	p.colour = colour_wanted(when, STDOUT_FILENO);
	if (p.json)
		fputc('[', stdout);
	check_walls(&p);
	check_store(&p);
	if (p.json)
		fputs("\n]\n", stdout);
	return p.status;
}

const struct verb verb_doctor = {
	.name = "doctor",
	.usage = "[--json]",
	.summary = "check what this machine offers, and the store",
	.details = "One line a check: ok, weaker (it works, with what is said) or missing. What is required and missing keeps "
	           "cowbox from running.",
	.exits = "0 all that is required stands\n1 something required is missing\n2 wrong usage",
	.options = options,
	.run = run_doctor,
};

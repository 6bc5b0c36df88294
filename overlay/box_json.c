/* box_json.c - box.json: written, and read with suspicion.
 *
 * Version 1 (the key version comes first, and is judged before anything else is looked at):
 *     version   1
 *     name      text; for people, the directory's name is what counts
 *     created   seconds since the epoch
 *     born      nanoseconds since the epoch, by the clock that stamps files; missing in boxes of before it was there
 *     command   text, one printable line
 *     profile   text
 *     layers    1 to BOX_LAYERS_MAX distinct positive numbers, bottom first
 */
#include <jansson.h>
#include "overlay/internal.h"
#include "overlay/store.h"

#define JSON_SIZE_MAX (1 << 20)

#define _cleanup_json_ _cleanup_(json_freep)
static void json_freep(json_t **j)
{
	json_decref(*j);
}

/* ---- box.json: writing ---- */

static json_t *box_to_json(const struct box *b)
{
	json_t *layers = json_array();
	json_t *j;

	for (int i = 0; i < b->nlayers; i++)
		if (json_array_append_new(layers, json_integer(b->layer[i])) < 0) {
			json_decref(layers);
			return NULL;
		}
	/* Takes the reference to layers, also when it fails. */
	j = json_pack("{s:i, s:s, s:I, s:I, s:s, s:s, s:o}", "version", BOX_VERSION, "name", b->name, "created", (json_int_t)b->created,
		      "born", (json_int_t)b->born_ns, "command", b->command, "profile", b->profile, "layers", layers);
	return j;
}

/* Not synced: a box that a power cut catches in its first seconds is lost as a whole, its layer is no safer. */
int box_write_json(const struct box *b, int dirfd)
{
	_cleanup_json_ json_t *j = box_to_json(b);
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *text = NULL;
	int r;

	text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
	if (!text)
		return -ENOMEM;
	fd = sys_openat(dirfd, "box.json.new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0)
		return fd;
	r = sys_write_all(fd, text, strlen(text));
	if (r == 0)
		r = sys_write_all(fd, "\n", 1);
	if (r == 0)
		r = sys_renameat2(dirfd, "box.json.new", dirfd, "box.json", 0);
	return r;
}

/* ---- box.json: reading ---- */

static int read_json_text(struct box *b, char **ret, size_t *ret_len, struct err *err)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *text = NULL;
	ssize_t n;

	fd = box_open_file(b->fd, "box.json", O_RDONLY);
	if (fd == -ENOENT)
		return box_damaged(err, b->name, "it has no box.json");
	if (fd == -ELOOP || fd == -EBADMSG)
		return box_damaged(err, b->name, "its box.json is not a regular file");
	if (fd < 0)
		return err_sys(err, fd, "cannot open %s/box.json", b->path);
	text = malloc(JSON_SIZE_MAX + 1);
	if (!text)
		return err_sys(err, -ENOMEM, "reading %s/box.json", b->path);
	n = sys_read_all(fd, text, JSON_SIZE_MAX + 1);
	if (n < 0)
		return err_sys(err, (int)n, "cannot read %s/box.json", b->path);
	if (n > JSON_SIZE_MAX)
		return box_damaged(err, b->name, "its box.json is larger than 1 MiB");
	*ret = TAKE_PTR(text);
	*ret_len = (size_t)n;
	return 0;
}

static int parse_json(struct box *b, json_t **ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *j = NULL;
	const json_t *version;
	json_error_t why;
	char shown[256];
	size_t len = 0;
	int r;

	r = read_json_text(b, &text, &len, err);
	if (r < 0)
		return r;
	j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (!j)
		return box_damaged(err, b->name, "its box.json is not JSON (line %d: %s)", why.line,
			       text_printable(why.text, shown, sizeof shown));
	version = json_object_get(j, "version");
	if (!json_is_integer(version))
		return box_damaged(err, b->name, "its box.json tells no version");
	if (json_integer_value(version) != BOX_VERSION)
		return err_set(err, -EBADMSG, "the box %s has version %lld, this cowbox knows version %d: use the cowbox that made it",
			       b->name, (long long)json_integer_value(version), BOX_VERSION);
	*ret = TAKE_PTR(j);
	return 0;
}

/* A text that will be shown to people: what would move the cursor is escaped. A missing one is "". */
static int take_text(struct box *b, const json_t *j, const char *key, char **ret, struct err *err)
{
	const json_t *v = json_object_get(j, key);
	char shown[BOX_COMMAND_MAX];

	if (v && !json_is_string(v))
		return box_damaged(err, b->name, "'%s' in its box.json is not text", key);
	text_printable(v ? json_string_value(v) : "", shown, sizeof shown);
	*ret = strdup(shown);
	return *ret ? 0 : err_sys(err, -ENOMEM, "reading %s/box.json", b->path);
}

static int take_layers(struct box *b, const json_t *j, struct err *err)
{
	const json_t *list = json_object_get(j, "layers");
	size_t n = json_array_size(list);

	if (n < 1 || n > BOX_LAYERS_MAX)
		return box_damaged(err, b->name, "'layers' in its box.json is not a list of 1 to %d numbers", BOX_LAYERS_MAX);
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_array_get(list, i);
		json_int_t number = json_integer_value(v);

		if (!json_is_integer(v) || number < 1 || number > INT_MAX)
			return box_damaged(err, b->name, "layer %zu in its box.json is not a number", i + 1);
		for (size_t k = 0; k < i; k++)
			if (b->layer[k] == (int)number)
				return box_damaged(err, b->name, "its box.json names layer %d twice", (int)number);
		b->layer[i] = (int)number;
	}
	b->nlayers = (int)n;
	return 0;
}

int box_read_json(struct box *b, struct err *err)
{
	_cleanup_json_ json_t *j = NULL;
	const json_t *created, *born;
	int r;

	r = parse_json(b, &j, err);
	if (r < 0)
		return r;
	created = json_object_get(j, "created");
	if (!json_is_integer(created))
		return box_damaged(err, b->name, "'created' in its box.json is not a number");
	b->created = json_integer_value(created);
	born = json_object_get(j, "born");
	if (born && (!json_is_integer(born) || json_integer_value(born) < 0))
		return box_damaged(err, b->name, "'born' in its box.json is not a number");
	/* Too early does no harm: the host is then compared more closely. */
	b->born_ns = born ? (uint64_t)json_integer_value(born) : b->created > 0 ? (uint64_t)b->created * 1000000000u : 0;
	r = take_text(b, j, "command", &b->command, err);
	if (r == 0)
		r = take_text(b, j, "profile", &b->profile, err);
	if (r == 0)
		r = take_layers(b, j, err);
	return r;
}

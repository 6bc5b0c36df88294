/* fuzz_box_json.c - any bytes as a box.json: the box is opened, or refused with a message. */
#include "fuzz.h"

#include "overlay/box.h"

static struct store *store;
static int box_dir = -1;

static void begin(void)
{
	char path[PATH_MAX + 32];
	struct box *b = NULL;
	struct err err = { 0 };

	unsetenv("XDG_STATE_HOME");
	setenv("COWBOX_HOME", fuzz_dir_get(), 1);
	if (store_open(true, &store, &err) < 0 || box_create(store, "fuzz", "true", &b, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		exit(77);
	}
	box_free(b);
	/* Layers that an input may name. */
	for (int i = 2; i < 5; i++) {
		snprintf(path, sizeof path, "%s/boxes/fuzz/layers/%d", fuzz_dir, i);
		MUST(mkdir(path, 0700) == 0);
		snprintf(path, sizeof path, "%s/boxes/fuzz/layers/%d/tree", fuzz_dir, i);
		MUST(mkdir(path, 0700) == 0);
	}
	snprintf(path, sizeof path, "%s/boxes/fuzz", fuzz_dir);
	box_dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(box_dir >= 0);
}

static void check_printable(const char *text)
{
	char *again = malloc(4 * strlen(text) + 1);

	MUST(again);
	MUST(strcmp(text_printable(text, again, 4 * strlen(text) + 1), text) == 0);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct box *b = NULL;
	struct err err = { 0 };
	int r;

	if (!store)
		begin();
	fuzz_write(box_dir, "box.json", data, size);
	r = box_open(store, "fuzz", &b, &err);
	if (r < 0) {
		MUST(!b && err.msg[0]);
		check_printable(err.msg);
		return 0;
	}
	MUST(strcmp(b->name, "fuzz") == 0 && b->nlayers >= 1 && b->nlayers <= BOX_LAYERS_MAX);
	for (int i = 0; i < b->nlayers; i++)
		for (int k = 0; k < i; k++)
			MUST(b->layer[i] > 0 && b->layer[i] != b->layer[k]);
	MUST(b->command && b->profile);
	check_printable(b->command);
	check_printable(b->profile);
	box_free(b);
	return 0;
}

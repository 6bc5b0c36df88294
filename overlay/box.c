/* box.c - one box in the store.
 *
 * (I1) box.json is the only place that says which layers a box has. A directory in layers/ that it does not name is stray, and left alone.
 * (I2) Nothing that box.json says is used before it was checked: layers are numbers, opened beneath the box through no link.
 *
 * box.json, version 1 (the key version comes first, and is judged before anything else is looked at):
 *     version   1
 *     name      text; for people, the directory's name is what counts
 *     created   seconds since the epoch
 *     command   text, one printable line
 *     profile   text
 *     layers    1 to BOX_LAYERS_MAX distinct positive numbers, bottom first
 */
#include <jansson.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>
#include "overlay/internal.h"
#include "overlay/store.h"
#include "overlay/tree.h"

#define JSON_SIZE_MAX (1 << 20)
#define COMMAND_MAX 4096
#define LOCK_SIZE 4096
#define DIR_FLAGS (O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define FILE_FLAGS (O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
#define BUSY_TRIES 3

#define _cleanup_json_ _cleanup_(json_freep)
static void json_freep(json_t **j)
{
	json_decref(*j);
}

static struct box *box_alloc(void)
{
	struct box *b = malloc(sizeof *b);

	if (b)
		*b = (struct box){ .fd = -1, .lock_fd = -1 };
	return b;
}

void box_free(struct box *b)
{
	if (!b)
		return;
	if (b->generation)
		munmap((void *)b->generation, LOCK_SIZE);
	fd_closep(&b->lock_fd);
	fd_closep(&b->fd);
	free(b->command);
	free(b->profile);
	free(b);
}

void box_freep(struct box **b)
{
	box_free(*b);
	*b = NULL;
}

static int box_set_paths(struct box *b, struct store *s, const char *name)
{
	int r;

	strcpy(b->name, name);
	strcpy(b->store_path, s->path);
	r = path_join(b->path, sizeof b->path, s->path, "boxes");
	if (r > 0)
		r = path_join(b->path, sizeof b->path, b->path, name);
	return r < 0 ? r : 0;
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
	j = json_pack("{s:i, s:s, s:I, s:s, s:s, s:o}", "version", BOX_VERSION, "name", b->name, "created", (json_int_t)b->created,
		      "command", b->command, "profile", b->profile, "layers", layers);
	return j;
}

/* Not synced: a box that a power cut catches in its first seconds is lost as a whole, its layer is no safer. */
static int box_write_json(const struct box *b, int dirfd)
{
	_cleanup_json_ json_t *j = box_to_json(b);
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *text = NULL;
	int r;

	text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
	if (!text)
		return -ENOMEM;
	fd = sys_openat(dirfd, "box.json.new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
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

/* Opens a regular file of the box. */
static int open_file(int dirfd, const char *name, uint64_t flags)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	fd = sys_openat2(dirfd, name, flags | FILE_FLAGS, 0600, RESOLVE_LAYER);
	if (fd < 0)
		return fd;
	r = sys_fstat(fd, &st);
	if (r < 0)
		return r;
	return S_ISREG(st.st_mode) ? TAKE_FD(fd) : -EBADMSG;
}

/* Every reason for which a box cannot be opened is told with the way out. */
static int damaged(struct err *err, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int damaged(struct err *err, const char *name, const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	return err_set(err, -EBADMSG, "the box %s is damaged: %s (repair it, or remove it with: cowbox discard -f -b %s)", name, what, name);
}

static int read_json_text(struct box *b, char **ret, size_t *ret_len, struct err *err)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *text = NULL;
	ssize_t n;

	fd = open_file(b->fd, "box.json", O_RDONLY);
	if (fd == -ENOENT)
		return damaged(err, b->name, "it has no box.json");
	if (fd == -ELOOP || fd == -EBADMSG)
		return damaged(err, b->name, "its box.json is not a regular file");
	if (fd < 0)
		return err_sys(err, fd, "cannot open %s/box.json", b->path);
	text = malloc(JSON_SIZE_MAX + 1);
	if (!text)
		return err_sys(err, -ENOMEM, "reading %s/box.json", b->path);
	n = sys_read_all(fd, text, JSON_SIZE_MAX + 1);
	if (n < 0)
		return err_sys(err, (int)n, "cannot read %s/box.json", b->path);
	if (n > JSON_SIZE_MAX)
		return damaged(err, b->name, "its box.json is larger than 1 MiB");
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
		return damaged(err, b->name, "its box.json is not JSON (line %d: %s)", why.line,
			       path_printable(why.text, shown, sizeof shown));
	version = json_object_get(j, "version");
	if (!json_is_integer(version))
		return damaged(err, b->name, "its box.json tells no version");
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
	char shown[COMMAND_MAX];

	if (v && !json_is_string(v))
		return damaged(err, b->name, "'%s' in its box.json is not text", key);
	path_printable(v ? json_string_value(v) : "", shown, sizeof shown);
	*ret = strdup(shown);
	return *ret ? 0 : err_sys(err, -ENOMEM, "reading %s/box.json", b->path);
}

static int take_layers(struct box *b, const json_t *j, struct err *err)
{
	const json_t *list = json_object_get(j, "layers");
	size_t n = json_array_size(list);

	if (n < 1 || n > BOX_LAYERS_MAX)
		return damaged(err, b->name, "'layers' in its box.json is not a list of 1 to %d numbers", BOX_LAYERS_MAX);
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_array_get(list, i);
		json_int_t number = json_integer_value(v);

		if (!json_is_integer(v) || number < 1 || number > INT_MAX)
			return damaged(err, b->name, "layer %zu in its box.json is not a number", i + 1);
		for (size_t k = 0; k < i; k++)
			if (b->layer[k] == (int)number)
				return damaged(err, b->name, "its box.json names layer %d twice", (int)number);
		b->layer[i] = (int)number;
	}
	b->nlayers = (int)n;
	return 0;
}

static int box_read_json(struct box *b, struct err *err)
{
	_cleanup_json_ json_t *j = NULL;
	const json_t *created;
	int r;

	r = parse_json(b, &j, err);
	if (r < 0)
		return r;
	created = json_object_get(j, "created");
	if (!json_is_integer(created))
		return damaged(err, b->name, "'created' in its box.json is not a number");
	b->created = json_integer_value(created);
	r = take_text(b, j, "command", &b->command, err);
	if (r == 0)
		r = take_text(b, j, "profile", &b->profile, err);
	if (r == 0)
		r = take_layers(b, j, err);
	return r;
}

/* ---- the lock file ---- */

/* A lock file that is too short to map is made whole again, under the lock, so that nobody sees it shrink or the counter go back. */
static int lock_repair(int fd)
{
	struct stat st;
	int r = sys_flock(fd, LOCK_EX);

	if (r < 0)
		return r;
	r = sys_fstat(fd, &st);
	if (r == 0 && st.st_size < (off_t)sizeof(uint64_t))
		r = sys_ftruncate(fd, LOCK_SIZE);
	(void)sys_flock(fd, LOCK_UN);
	return r;
}

static int box_open_lock(struct box *b)
{
	struct stat st;
	void *p;
	int r;

	b->lock_fd = open_file(b->fd, "lock", O_RDWR | O_CREAT);
	if (b->lock_fd < 0)
		return b->lock_fd;
	r = sys_fstat(b->lock_fd, &st);
	if (r == 0 && st.st_size < (off_t)sizeof(uint64_t))
		r = lock_repair(b->lock_fd);
	if (r < 0)
		return r;
	p = mmap(NULL, LOCK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, b->lock_fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	b->generation = p;
	return 0;
}

int box_lock(struct box *b)
{
	return sys_flock(b->lock_fd, LOCK_EX);
}

void box_unlock(struct box *b)
{
	/* Unlocking cannot be refused; a fault that a test injects must not leave the box locked. */
	if (sys_flock(b->lock_fd, LOCK_UN) < 0)
		(void)flock(b->lock_fd, LOCK_UN);
}

/* ---- making ---- */

static int make_dir(int dirfd, const char *name, int *ret_fd)
{
	int r = sys_mkdirat(dirfd, name, 0700);

	if (r < 0 || !ret_fd)
		return r;
	r = sys_openat2(dirfd, name, O_RDONLY | DIR_FLAGS, 0, RESOLVE_LAYER);
	if (r < 0)
		return r;
	*ret_fd = r;
	return 0;
}

/* The layer's root is the mirror of the host's. */
static int mirror_root(int tree_fd)
{
	_cleanup_close_ int root = -1;
	struct stat st;
	int r;

	root = sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (root < 0)
		return root;
	r = sys_fstat(root, &st);
	return r < 0 ? r : copy_metadata(root, tree_fd, &st, COPY_ALL, NULL);
}

static int make_layer(int layers_fd, int number)
{
	_cleanup_close_ int fd = -1, tree = -1;
	char name[16];
	int r;

	snprintf(name, sizeof name, "%d", number);
	r = make_dir(layers_fd, name, &fd);
	if (r == 0)
		r = make_dir(fd, "tree", &tree);
	if (r == 0)
		r = make_dir(fd, "work", NULL);
	if (r == 0)
		r = make_dir(fd, "links", NULL);
	return r < 0 ? r : mirror_root(tree);
}

/* Fills the directory b->fd. */
static int make_contents(struct box *b)
{
	_cleanup_close_ int layers = -1, running = -1;
	int r;

	r = make_dir(b->fd, "layers", &layers);
	if (r == 0)
		r = make_layer(layers, b->layer[0]);
	if (r == 0)
		r = make_dir(b->fd, "base", NULL);
	if (r == 0)
		r = make_dir(b->fd, "history", NULL);
	if (r < 0)
		return r;
	running = open_file(b->fd, "running", O_RDWR | O_CREAT);
	if (running < 0)
		return running;
	r = box_open_lock(b);
	return r < 0 ? r : box_write_json(b, b->fd);
}

/* Makes the directory under its temporary name, and locks it against the sweep of others. One that was swept in the moment between is
 * made anew. */
static int make_temp_dir(struct store *s, char name[static STORE_TEMP_MAX], int *ret_fd)
{
	for (int i = 0; i < BUSY_TRIES; i++) {
		_cleanup_close_ int fd = -1;
		struct stat st;
		int r;

		store_temp_name(name, "new");
		r = make_dir(s->boxes_fd, name, &fd);
		if (r == -ENOENT)
			continue;
		if (r == 0)
			r = store_make_private(fd);
		if (r == 0)
			r = sys_flock(fd, LOCK_EX);
		if (r == 0)
			r = sys_fstat(fd, &st);
		if (r < 0) {
			(void)tree_remove(s->boxes_fd, name);
			return r;
		}
		if (st.st_nlink == 0)
			continue;
		*ret_fd = TAKE_FD(fd);
		return 0;
	}
	return -EAGAIN;
}

/* Puts the finished box in its place. */
static int publish(struct store *s, const char *temp, const char *name)
{
	int r = sys_renameat2(s->boxes_fd, temp, s->boxes_fd, name, RENAME_NOREPLACE);

	/* A file system without the flag: two that make the same name in the same instant then meet a directory that is not empty. */
	if (r == -EINVAL)
		r = sys_renameat2(s->boxes_fd, temp, s->boxes_fd, name, 0);
	return r == -ENOTEMPTY || r == -ENOTDIR ? -EEXIST : r;
}

static int box_describe(struct box *b, struct store *s, const char *name, const char *command)
{
	char shown[COMMAND_MAX];
	int r = box_set_paths(b, s, name);

	if (r < 0)
		return r;
	b->command = strdup(path_printable(command ? command : "", shown, sizeof shown));
	b->profile = strdup("");
	b->created = time(NULL);
	b->nlayers = 1;
	b->layer[0] = 1;
	return b->command && b->profile ? 0 : -ENOMEM;
}

static int name_taken(const char *name, struct err *err)
{
	return err_set(err, -EEXIST, "there is a box %s already: take another name, or use it with -b %s", name, name);
}

int box_create(struct store *s, const char *name, const char *command, struct box **ret, struct err *err)
{
	_cleanup_box_ struct box *b = NULL;
	char temp[STORE_TEMP_MAX];
	struct stat st;
	int r = box_name_check(name, err);

	if (r < 0)
		return r;
	if (sys_fstatat(s->boxes_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return name_taken(name, err);
	b = box_alloc();
	r = b ? box_describe(b, s, name, command) : -ENOMEM;
	if (r == 0)
		r = make_temp_dir(s, temp, &b->fd);
	if (r < 0)
		return err_sys(err, r, "cannot make the box %s in %s", name, s->path);
	r = make_contents(b);
	if (r == 0)
		r = publish(s, temp, name);
	(void)sys_flock(b->fd, LOCK_UN);
	if (r == 0) {
		*ret = TAKE_PTR(b);
		return 0;
	}
	(void)tree_remove(s->boxes_fd, temp);
	if (r == -EEXIST)
		return name_taken(name, err);
	return err_sys(err, r, "cannot make the box %s in %s", name, s->path);
}

/* ---- opening ---- */

static int open_dir(struct box *b, const char *path)
{
	return sys_openat2(b->fd, path, O_PATH | DIR_FLAGS, 0, RESOLVE_LAYER);
}

static int check_layer(struct box *b, int number, struct err *err)
{
	static const char *const parts[] = { "tree", "work", "links" };

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		_cleanup_close_ int fd = -1;
		char path[64];

		snprintf(path, sizeof path, "layers/%d/%s", number, parts[i]);
		fd = open_dir(b, path);
		/* The tree is the box; an empty work or links may have been left out by whoever copied it. */
		if (fd == -ENOENT && i > 0 && sys_mkdirat(b->fd, path, 0700) == 0)
			fd = open_dir(b, path);
		if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP || fd == -EXDEV)
			return damaged(err, b->name, "%s is not a directory", path);
		if (fd < 0)
			return err_sys(err, fd, "cannot open %s/%s", b->path, path);
	}
	return 0;
}

static int open_box_dir(struct box *b, struct store *s, struct err *err)
{
	b->fd = sys_openat2(s->boxes_fd, b->name, O_RDONLY | DIR_FLAGS, 0, RESOLVE_LAYER);
	if (b->fd == -ENOENT)
		return err_set(err, -ENOENT, "there is no box %s (cowbox list shows them)", b->name);
	if (b->fd == -ENOTDIR || b->fd == -ELOOP)
		return err_set(err, -EBADMSG, "%s is not a box but a stray file: move it away", b->path);
	if (b->fd < 0)
		return err_sys(err, b->fd, "cannot open the box %s", b->path);
	return 0;
}

int box_open(struct store *s, const char *name, struct box **ret, struct err *err)
{
	_cleanup_box_ struct box *b = NULL;
	int r = box_name_check(name, err);

	if (r < 0)
		return r;
	b = box_alloc();
	r = b ? box_set_paths(b, s, name) : -ENOMEM;
	if (r < 0)
		return err_sys(err, r, "cannot open the box %s", name);
	r = open_box_dir(b, s, err);
	if (r == 0)
		r = box_read_json(b, err);
	for (int i = 0; r == 0 && i < b->nlayers; i++)
		r = check_layer(b, b->layer[i], err);
	if (r < 0)
		return r;
	r = box_open_lock(b);
	if (r == -EBADMSG || r == -ELOOP || r == -EISDIR)
		return damaged(err, b->name, "its lock is not a regular file");
	if (r < 0)
		return err_sys(err, r, "cannot open %s/lock", b->path);
	*ret = TAKE_PTR(b);
	return 0;
}

/* ---- the running lock ---- */

/* The box may have been removed, or removed and made again, after it was opened. */
static bool box_in_place(struct box *b)
{
	char path[BOX_NAME_MAX + 4];
	struct stat mine, there;

	snprintf(path, sizeof path, "../%s", b->name);
	return sys_fstat(b->fd, &mine) == 0 && sys_fstatat(b->fd, path, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

int box_hold_running(struct box *b, struct err *err)
{
	_cleanup_close_ int fd = -1;
	int r;

	fd = open_file(b->fd, "running", O_RDWR | O_CREAT);
	if (fd < 0)
		return err_sys(err, fd, "cannot open %s/running", b->path);
	/* Exclusive holders are those who ask and those who remove: both are done in a moment. */
	r = sys_flock(fd, LOCK_SH);
	if (r < 0)
		return err_sys(err, r, "cannot lock %s/running", b->path);
	if (!box_in_place(b))
		return err_set(err, -ENOENT, "the box %s was removed meanwhile", b->name);
	return TAKE_FD(fd);
}

/* 0: ret_fd holds the lock exclusively. Positive: somebody runs. Others who ask hold it for a moment too, so it is tried again. */
static int running_exclude(int dirfd, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	int r;

	fd = open_file(dirfd, "running", O_RDWR);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	for (int i = 1;; i++) {
		r = sys_flock(fd, LOCK_EX | LOCK_NB);
		if (r != -EWOULDBLOCK || i == BUSY_TRIES)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	if (r == -EWOULDBLOCK)
		return 1;
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

int box_is_running(struct box *b)
{
	_cleanup_close_ int fd = -1;

	return running_exclude(b->fd, &fd);
}

/* ---- removing, counting ---- */

static int busy(const char *name, struct err *err)
{
	return err_set(err, -EBUSY, "the box %s is in use by a cowbox run: end that first", name);
}

int box_remove(struct store *s, struct box *b, struct err *err)
{
	_cleanup_close_ int fd = -1;
	int r = running_exclude(b->fd, &fd);

	if (r > 0)
		return busy(b->name, err);
	if (r < 0)
		return err_sys(err, r, "cannot lock %s/running", b->path);
	if (!box_in_place(b))
		return err_set(err, -ENOENT, "the box %s was removed meanwhile", b->name);
	return store_remove_aside(s, b->name, &fd, err);
}

int box_remove_damaged(struct store *s, const char *name, struct err *err)
{
	_cleanup_close_ int dir = -1, fd = -1;
	int r = box_name_check(name, err);

	if (r < 0)
		return r;
	dir = sys_openat2(s->boxes_fd, name, O_PATH | DIR_FLAGS, 0, RESOLVE_LAYER);
	if (dir == -ENOENT)
		return err_set(err, -ENOENT, "there is no box %s (cowbox list shows them)", name);
	/* Without a lock file that can be asked nobody can hold it. */
	if (dir >= 0 && running_exclude(dir, &fd) > 0)
		return busy(name, err);
	return store_remove_aside(s, name, &fd, err);
}

int box_usage(struct box *b, uint64_t *ret_bytes, uint64_t *ret_objects)
{
	uint64_t bytes = 0, objects = 0, other = 0;

	for (int i = 0; i < b->nlayers; i++) {
		static const char *const parts[] = { "tree", "work", "links" };

		for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
			char path[64];
			int r;

			snprintf(path, sizeof path, "layers/%d/%s", b->layer[i], parts[k]);
			r = tree_usage(b->fd, path, &bytes, k == 0 ? &objects : &other);
			if (r < 0 && r != -ENOENT)
				return r;
		}
	}
	*ret_bytes = bytes;
	*ret_objects = objects;
	return 0;
}

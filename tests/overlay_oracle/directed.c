/* directed.c - the cases of the design that need no guest, one test each. */
#include "directed.h"
#include <getopt.h>
#include <grp.h>
#include "snapshot.h"

static struct cred user_cred;

int test_setup(void **state)
{
	struct test *t = calloc(1, sizeof(*t));

	if (!t)
		return -1;
	alarm(240);   /* a hang is a failure, too */
	world_make(&t->w, NULL, 0, 0, false);
	*state = t;
	return 0;
}

int test_teardown(void **state)
{
	struct test *t = T(state);
	char *diff = t->sealed ? world_broken(&t->w) : NULL;
	int r = diff ? -1 : 0;

	as_self();
	if (diff)
		fprintf(stderr, "THE HOST CHANGED:\n%s", diff);
	free(diff);
	world_release(&t->w, true);
	free(t);
	alarm(0);
	return r;
}

void test_seal(struct test *t)
{
	world_seal(&t->w);
	t->sealed = true;
}

const char *test_abs(struct test *t, const char *path)
{
	static _Thread_local char buf[8][PATH_MAX + 1024];
	static _Thread_local unsigned next;
	char *p = buf[next++ % 8];

	snprintf(p, sizeof(buf[0]), "%s%s%s", t->w.host.root, path[0] ? "/" : "", path);
	return p;
}

void host_write(struct test *t, const char *path, const char *text)
{
	_cleanup_close_ int fd = open(test_abs(t, path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

void host_mkdir(struct test *t, const char *path)
{
	assert_int_equal(mkdir(test_abs(t, path), 0755), 0);
}

void host_symlink(struct test *t, const char *target, const char *path)
{
	assert_int_equal(symlink(target, test_abs(t, path)), 0);
}

void host_mtime(struct test *t, const char *path, time_t sec)
{
	struct timespec ts[2] = { { sec, 5 }, { sec, 7 } };

	assert_int_equal(utimensat(AT_FDCWD, test_abs(t, path), ts, AT_SYMLINK_NOFOLLOW), 0);
}

static int view_put(struct test *t, const char *path, const char *text, int flags)
{
	_cleanup_close_ int fd = V(t, open, W(path), (uint64_t)(O_WRONLY | O_CREAT | O_CLOEXEC | flags), 0644);

	if (fd < 0)
		return fd;
	return write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -errno;
}

int view_write(struct test *t, const char *path, const char *text)
{
	return view_put(t, path, text, O_TRUNC);
}

int view_append(struct test *t, const char *path, const char *text)
{
	return view_put(t, path, text, O_APPEND);
}

struct stat view_lstat(struct test *t, const char *path)
{
	struct stat st = { 0 };

	assert_int_equal(V(t, stat, W(path), LOOKUP_NOFOLLOW, &st), 0);
	return st;
}

bool view_has(struct test *t, const char *path)
{
	struct stat st;

	return V(t, stat, W(path), LOOKUP_NOFOLLOW, &st) >= 0;
}

void assert_fd_text(int fd, const char *text)
{
	char buf[4096];
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);

	assert_true(n >= 0);
	buf[n] = '\0';
	assert_string_equal(buf, text);
}

void assert_view(struct test *t, const char *path, const char *text)
{
	_cleanup_close_ int fd = V(t, open, W(path), O_RDONLY | O_CLOEXEC, 0);

	if (fd < 0)
		fail_msg("%s: %s", path, strerror(-fd));
	assert_fd_text(fd, text);
}

static bool listed(struct test *t, const char *path)
{
	char dir[PATH_MAX];
	_cleanup_free_ struct side_dirent *list = NULL;
	const char *slash = strrchr(path, '/');
	size_t count = 0;

	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 0, path);
	if (side_list(&t->w.view, dir, &list, &count) < 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!strcmp(list[i].name, slash ? slash + 1 : path))
			return true;
	return false;
}

void assert_gone(struct test *t, const char *path)
{
	struct stat st;

	assert_int_equal(V(t, stat, W(path), LOOKUP_NOFOLLOW, &st), -ENOENT);
	assert_int_equal(V(t, open, W(path), O_RDONLY | O_CLOEXEC, 0), -ENOENT);
	assert_false(listed(t, path));
}

void assert_names(struct test *t, const char *dir, const char *names)
{
	_cleanup_free_ struct side_dirent *list = NULL;
	char all[8192] = "";
	size_t count = 0, n = 0;

	assert_int_equal(side_list(&t->w.view, dir, &list, &count), 0);
	for (size_t i = 0; i < count && n < sizeof(all) - 300; i++)
		n += (size_t)sprintf(all + n, "%s%s", i ? " " : "", list[i].name);
	assert_string_equal(all, names);
}

int view_object(struct test *t, const char *path, unsigned flags, struct object *ret)
{
	struct caller c = { .umask = 022 };
	struct at at = { .dir = { t->w.view.root }, .path = path };

	object_init(ret);
	return overlay_lookup(t->w.ov, &c, at, flags, ret);
}

void as_user(void)
{
	if (geteuid() == 0)
		assert_int_equal(cred_assume(&user_cred), 0);
}

void as_self(void)
{
	cred_drop();
}

uid_t test_user(void)
{
	return geteuid() == 0 ? TEST_UID : geteuid();
}

int main(int argc, char **argv)
{
	static const struct option longs[] = { { "run-as", 1, 0, 'u' }, { "filter", 1, 0, 'f' }, { 0, 0, 0, 0 } };
	int c, failed = 0;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 'u':
			if (geteuid() != 0) {
				printf("skipped: --run-as needs root\n");
				return 77;
			}
			c = atoi(optarg);
			if (setgroups(0, NULL) < 0 || setresgid((gid_t)c, (gid_t)c, (gid_t)c) < 0 ||
			    setresuid((uid_t)c, (uid_t)c, (uid_t)c) < 0)
				return perror("--run-as"), 125;
			break;
		case 'f': cmocka_set_test_filter(optarg); break;
		default: fprintf(stderr, "usage: directed [--run-as UID] [--filter PATTERN]\n"); return 2;
		}
	cred_init();
	user_cred = (struct cred){ .fsuid = TEST_UID, .fsgid = TEST_UID };
	failed += directed_names();
	failed += directed_files();
	failed += directed_lists();
	failed += directed_rights();
	failed += directed_changes();
	failed += directed_full();
	return failed ? 1 : 0;
}

/* test_commit_diff.c - diffs. */
#include "commit_world.h"

#include <sys/xattr.h>

static char *diff_text(struct world *x, unsigned flags)
{
	struct changes c;
	struct err err = { 0 };
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (changes_collect(x->ov, 0, &c, &err) < 0 || diff_write(x->ov, &c, NULL, 0, flags, f, &err) < 0)
		fail_msg("%s", err.msg);
	changes_release(&c);
	fclose(f);
	return text;
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in:\n%s", part, text);
}

static void test_diff(void **state)
{
	struct world *x = *state;
	char *text;

	host_write("f", "one\ntwo\nthree\n");
	host_write("bin", "x");
	mkdir("d", 0755);
	host_write("d/in", "in\n");
	box_new(x, "f", "one\n2\nthree\n");
	box_chmod(x, "f", 0755);
	box_rename(x, "d", "e", 0);
	box_append(x, "e/in", "more\n");
	box_new(x, "we\"ird", "no newline");
	text = diff_text(x, 0);
	assert_has(text, "old mode 100644\nnew mode 100755\n");
	assert_has(text, "@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n");
	assert_has(text, "rename from ");
	assert_has(text, "@@ -1 +1,2 @@\n in\n+more\n");
	assert_has(text, "we\\\"ird\"");
	assert_has(text, "+no newline\n\\ No newline at end of file\n");
	free(text);
	text = diff_text(x, DIFF_COLOR);
	assert_has(text, "\033[31m-two\033[m\n\033[32m+2\033[m\n");
	free(text);
	text = diff_text(x, DIFF_STAT);
	assert_has(text, "/f      | 2 +- (mode 644 -> 755)\n");
	assert_has(text, "/e/     | renamed from ");
	assert_has(text, "/we\"ird | 1 +\n");
	assert_has(text, " 3 files changed, 3 lines added, 1 removed; 1 directory\n");
	free(text);
}

/* Where the box has the file, to give it what only a program in it could. */
static void box_attr(struct world *x, const char *name, const char *attr, const void *value, size_t size)
{
	_cleanup_object_ struct object o;

	box_begin(x);
	object_init(&o);
	assert_int_equal(overlay_lookup(x->ov, &x->caller, view(x, name), 0, &o), 0);
	assert_int_equal(object_setxattr(x->ov, &x->caller, &o, attr, value, size, 0), 0);
}

static void test_diff_attributes(void **state)
{
	static const unsigned char acl[] = "\2\0\0\0" "\1\0\6\0\377\377\377\377" "\2\0\7\0\xe8\3\0\0" "\4\0\4\0\377\377\377\377"
					   "\x10\0\7\0\377\377\377\377" "\x20\0\4\0\377\377\377\377";
	static const unsigned char caps[] = "\1\0\0\2" "\0\x20\0\0" "\0\0\0\0" "\0\0\0\0" "\0\0\0\0";
	struct world *x = *state;
	char *text;

	host_write("f", "f\n");
	assert_int_equal(setxattr("f", "user.old", "old", 3, 0), 0);
	box_new(x, "new", "new\n");
	box_attr(x, "new", "user.text", "a \"b\"", 5);
	box_attr(x, "new", "user.raw", "\033[8m", 4);
	box_attr(x, "f", "user.old", "changed", 7);
	box_append(x, "f", "more\n");
	box_mkdir(x, "d");
	box_attr(x, "d", "system.posix_acl_default", acl, sizeof acl - 1);
	box_attr(x, "new", "system.posix_acl_access", acl, sizeof acl - 1);
	box_new(x, "s", "s\n");
	if (geteuid() == 0)
		box_attr(x, "s", "security.capability", caps, sizeof caps - 1);
	box_chmod(x, "s", 04755);
	text = diff_text(x, 0);
	assert_has(text, "/new: \"a \\\"b\\\"\"\n");
	assert_has(text, "# attribute user.raw of b/");
	assert_has(text, "/new: 0x1b5b386d\n");
	assert_has(text, "/f: \"old\" -> \"changed\"\n");
	assert_has(text, "# access ACL of b/");
	assert_has(text, "# default ACL of b/");
	assert_has(text, "/d: user::rw-,user:1000:rwx,group::r--,mask::rwx,other::r--\n");
	assert_has(text, "/s runs as user ");
	if (geteuid() == 0)
		assert_has(text, "/s: effective permitted=cap_net_raw inheritable=\n");
	free(text);
	plan(x);
	assert_int_equal(find(x, "s")->marks, COMMIT_SETUID | (geteuid() == 0 ? COMMIT_CAPABILITIES : 0));
	assert_int_equal(find(x, "new")->marks, 0);
}

/* What conceals text on a terminal is shown there; a patch has the bytes. */
static void test_diff_visible(void **state)
{
	struct world *x = *state;
	char *text;

	host_write("f", "one\r\n");
	host_write("l", "");
	box_new(x, "f", "a\033[8mb\033[m\tc\x7f\xc2\x9b" "0m\x9b\xe2\x80\xae\xc3\xa4\n");
	box_symlink(x, "x\n+evil\033", "l1");
	box_symlink(x, "y\033", "l2");
	text = diff_text(x, 0);
	assert_has(text, "-one\r\n+a\033[8mb\033[m\tc\x7f\xc2\x9b" "0m\x9b\xe2\x80\xae\xc3\xa4\n");
	assert_has(text, "/l1: none -> \"x\\n+evil\\033\"\n");
	assert_null(strstr(text, "\n++evil"));
	assert_has(text, "\n+y\033\n");
	free(text);
	text = diff_text(x, DIFF_VISIBLE);
	assert_has(text, "-one^M\n+a^[[8mb^[[m\tc^?<U+9B>0m<9B><U+202E>\xc3\xa4\n");
	assert_has(text, "\n+y^[\n");
	assert_null(strchr(text, '\033'));
	free(text);
	text = diff_text(x, DIFF_VISIBLE | DIFF_COLOR);
	assert_has(text, "\033[32m+y^[\033[m\n");
	free(text);
}

static void test_diff_binary(void **state)
{
	struct world *x = *state;
	char *text;
	int fd = open("bin", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_int_equal(ftruncate(fd, 12288), 0);
	close(fd);
	box_append(x, "bin", "x");
	text = diff_text(x, 0);
	assert_has(text, "Binary files a/");
	assert_has(text, " differ (12288 B -> 12289 B)\n");
	assert_null(strstr(text, "diff --git"));
	free(text);
}

/* Names that cross: each is the subject of one part. */
static void test_diff_crossing(void **state)
{
	struct world *x = *state;
	char *text;

	host_write("a", "a\n");
	host_write("b", "b\n");
	host_write("onto", "old\n");
	host_write("free", "free\n");
	host_write("kept", "kept\n");
	box_rename(x, "a", "b", RENAME_EXCHANGE);
	box_rename(x, "free", "onto", 0);
	box_rename(x, "kept", "copy", 0);
	box_new(x, "kept", "again\n");
	text = diff_text(x, 0);
	assert_has(text, "/w/a\n@@ -1 +1 @@\n-a\n+b\n");
	assert_has(text, "/w/b\n@@ -1 +1 @@\n-b\n+a\n");
	assert_has(text, "/w/onto\n@@ -1 +1 @@\n-old\n+free\n");
	assert_has(text, "--- /dev/null\n");
	assert_has(text, "/w/copy\n@@ -0,0 +1 @@\n+kept\n");
	assert_has(text, "/w/kept\n@@ -1 +1 @@\n-kept\n+again\n");
	assert_has(text, "/w/free\n+++ /dev/null\n");
	free(text);
}

static const char *say_conflict(void *ctx, const struct change *ch)
{
	return strcmp(strrchr(ch->path, '/'), ctx) == 0 ? "conflict: so" : NULL;
}

static void test_diff_noted(void **state)
{
	struct world *x = *state;
	struct changes c;
	struct err err = { 0 };
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	box_new(x, "one", "1\n");
	box_new(x, "two", "2\n");
	assert_int_equal(changes_collect(x->ov, 0, &c, &err), 0);
	assert_int_equal(diff_write_noted(x->ov, &c, NULL, 0, 0, say_conflict, (void *)"/two", f, &err), 2);
	changes_release(&c);
	fclose(f);
	assert_has(text, "+1\n# conflict: so\ndiff --git ");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_diff),
		WORLD_TEST(test_diff_attributes),
		WORLD_TEST(test_diff_visible),
		WORLD_TEST(test_diff_binary),
		WORLD_TEST(test_diff_crossing),
		WORLD_TEST(test_diff_noted),
	};

	cred_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

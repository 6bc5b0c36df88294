/* scenes.c - what a box can have changed, in portions of moderate size: each call of each commit is made to fail. */
#include "stage.h"

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

/* ---- words for scenes ---- */

static void must(int r, const char *what)
{
	if (r < 0)
		fail_msg("%s: %s", what, strerror(errno));
}

static void dir(const char *name)
{
	must(mkdir(name, 0755), name);
}

static void same(const char *old, const char *new)
{
	must(link(old, new), new);
}

static void slink(const char *target, const char *name)
{
	must(symlink(target, name), name);
}

static void box_xattr(struct world *x, const char *name, const char *key, const void *value, size_t size)
{
	_cleanup_object_ struct object o;

	object_init(&o);
	assert_int_equal(overlay_lookup(x->ov, &x->caller, view(x, name), 0, &o), 0);
	assert_int_equal(object_setxattr(x->ov, &x->caller, &o, key, value, size, 0), 0);
}

static void box_xattr_gone(struct world *x, const char *name, const char *key)
{
	_cleanup_object_ struct object o;

	object_init(&o);
	assert_int_equal(overlay_lookup(x->ov, &x->caller, view(x, name), 0, &o), 0);
	assert_int_equal(object_removexattr(x->ov, &x->caller, &o, key), 0);
}

static void box_chown(struct world *x, const char *name, uid_t uid, gid_t gid)
{
	_cleanup_object_ struct object o;

	object_init(&o);
	assert_int_equal(overlay_lookup(x->ov, &x->caller, view(x, name), 0, &o), 0);
	assert_int_equal(object_chown(x->ov, &x->caller, &o, uid, gid), 0);
}

static void box_mknod(struct world *x, const char *name, mode_t mode, dev_t dev)
{
	assert_int_equal(overlay_mknod(x->ov, &x->caller, view(x, name), mode, dev), 0);
}

/* In the way that many programs take: a new file, renamed over the old one. */
static void box_replace(struct world *x, const char *name, const char *text)
{
	box_new(x, ".new", text);
	box_rename(x, ".new", name, 0);
}

/* Read for one more user: as Linux keeps it in system.posix_acl_access. */
static const struct {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} entry[5];
} acl = { 2, { { 1, 6, -1u }, { 2, 4, 54321 }, { 4, 4, -1u }, { 16, 4, -1u }, { 32, 0, -1u } } };

static bool acl_works(void)
{
	static int works = -1;

	if (works < 0) {
		host_write(".acl", "");
		works = setxattr(".acl", "system.posix_acl_access", &acl, sizeof acl, 0) == 0;
		unlink(".acl");
	}
	return works;
}

/* ---- files: each kind of change of a single object ---- */

static void files_host(void)
{
	(void)acl_works();
	host_write("modified", "old content\n");
	host_write("replaced", "old content\n");
	host_write("appended", "old content\n");
	host_write("mode", "same\n");
	host_write("time", "same\n");
	host_write("attribute", "same\n");
	must(setxattr("attribute", "user.old", "value", 5, 0), "user xattr");
	host_write("acl", "same\n");
	host_write("deleted", "going\n");
	host_write("holes", "");
	must(truncate("holes", 1 << 20), "holes");
	dir("d");
	host_write("d/below", "old\n");
	host_write("d/kept", "kept\n");
	slink("nowhere", "link");
	slink("nowhere", "link-deleted");
	must(mkfifo("fifo", 0644), "fifo");
	must(mkfifo("fifo-deleted", 0644), "fifo");
}

static void files_box(struct world *x)
{
	_cleanup_opened_ struct opened o;

	box_new(x, "added", "brand new\n");
	box_new(x, "empty", "");
	box_write(x, "modified", "new content, longer than the old\n", O_TRUNC);
	box_replace(x, "replaced", "new content\n");
	box_append(x, "appended", "more\n");
	box_chmod(x, "mode", 0600);
	box_touch(x, "time", 1234567890);
	box_xattr(x, "attribute", "user.new", "v", 1);
	box_xattr_gone(x, "attribute", "user.old");
	if (acl_works())
		box_xattr(x, "acl", "system.posix_acl_access", &acl, sizeof acl);
	box_unlink(x, "deleted");
	opened_init(&o);
	assert_int_equal(overlay_open(x->ov, &x->caller, view(x, "holes"), O_WRONLY, 0644, 0, &o), 0);
	assert_int_equal(pwrite(o.fd, "in the middle", 13, 300000), 13);
	box_write(x, "d/below", "new\n", O_TRUNC);
	box_chmod(x, "d", 0700);
	box_unlink(x, "link");
	box_symlink(x, "elsewhere", "link");
	box_symlink(x, "here", "link-added");
	box_unlink(x, "link-deleted");
	box_chmod(x, "fifo", 0600);
	box_unlink(x, "fifo-deleted");
	box_mknod(x, "fifo-added", S_IFIFO | 0644, 0);
	box_mknod(x, "socket-added", S_IFSOCK | 0755, 0);
}

/* ---- trees: directories that come and go whole ---- */

static void trees_host(void)
{
	dir("gone");
	dir("gone/a");
	dir("gone/a/b");
	host_write("gone/f", "1\n");
	host_write("gone/a/f", "2\n");
	host_write("gone/a/b/f", "3\n");
	slink("f", "gone/l");
	dir("emptied");
	host_write("emptied/f", "1\n");
	dir("again");
	host_write("again/old", "1\n");
	host_write("again/same", "1\n");
	dir("meta");
	dir("meta/below");
	dir("closed");
	host_write("closed/f", "1\n");
	host_write("closed/g", "1\n");
	dir("closed/sub");
	host_write("closed/sub/f", "1\n");
}

static void trees_box(struct world *x)
{
	box_mkdir(x, "new");
	box_mkdir(x, "new/a");
	box_mkdir(x, "new/a/b");
	box_new(x, "new/f", "1\n");
	box_new(x, "new/a/f", "2\n");
	box_symlink(x, "../f", "new/a/l");
	box_new(x, "new/a/b/f", "3\n");
	box_chmod(x, "new/a", 0500);
	box_unlink(x, "gone/a/b/f");
	box_rmdir(x, "gone/a/b");
	box_unlink(x, "gone/a/f");
	box_rmdir(x, "gone/a");
	box_unlink(x, "gone/f");
	box_unlink(x, "gone/l");
	box_rmdir(x, "gone");
	box_unlink(x, "emptied/f");
	/* Removed and made once more: it hides what the host has in it. */
	box_unlink(x, "again/old");
	box_unlink(x, "again/same");
	box_rmdir(x, "again");
	box_mkdir(x, "again");
	box_new(x, "again/new", "1\n");
	box_new(x, "again/same", "2\n");
	box_chmod(x, "meta", 0750);
	box_touch(x, "meta/below", 1234567890);
	/* What they lose goes away while their mode keeps us out. */
	box_unlink(x, "closed/f");
	box_write(x, "closed/g", "2\n", O_TRUNC);
	box_new(x, "closed/h", "1\n");
	box_unlink(x, "closed/sub/f");
	box_chmod(x, "closed/sub", 0500);
	box_chmod(x, "closed", 0500);
}

/* ---- renames ---- */

static void renames_host(void)
{
	host_write("a", "a\n");
	host_write("b", "b\n");
	host_write("c", "c\n");
	host_write("victim", "replaced\n");
	host_write("over", "over\n");
	dir("d");
	dir("d/sub");
	host_write("d/f", "f\n");
	host_write("d/g", "g\n");
	host_write("d/sub/h", "h\n");
	dir("e");
	host_write("e/out", "out\n");
	host_write("e/left", "left\n");
	dir("into");
	host_write("moved", "moved\n");
	slink("a", "l");
}

static void renames_box(struct world *x)
{
	box_rename(x, "a", "a-moved", 0);
	box_rename(x, "b", "b-moved", 0);
	box_write(x, "b-moved", "b with new content\n", O_TRUNC);
	box_rename(x, "c", "c-moved", 0);
	box_chmod(x, "c-moved", 0600);
	box_rename(x, "over", "victim", 0);
	box_rename(x, "d", "d-moved", 0);
	box_write(x, "d-moved/f", "f with new content\n", O_TRUNC);
	box_unlink(x, "d-moved/g");
	box_new(x, "d-moved/sub/new", "new\n");
	box_rename(x, "d-moved/sub/h", "d-moved/sub/i", 0);
	box_rename(x, "e/out", "out", 0);
	box_unlink(x, "e/left");
	box_rmdir(x, "e");
	box_rename(x, "moved", "into/moved", 0);
	box_mkdir(x, "fresh");
	box_rename(x, "l", "fresh/l", 0);
}

/* ---- swaps ---- */

static void swaps_host(void)
{
	host_write("a", "a\n");
	host_write("b", "b\n");
	dir("d");
	host_write("d/f", "f\n");
	dir("e");
	host_write("e/g", "g\n");
	host_write("1", "1\n");
	host_write("2", "2\n");
	host_write("3", "3\n");
	dir("outer");
	dir("outer/inner");
	host_write("outer/inner/f", "f\n");
	host_write("file", "file\n");
	dir("dir");
	host_write("dir/f", "f\n");
}

static void swaps_box(struct world *x)
{
	box_rename(x, "a", "b", RENAME_EXCHANGE);
	box_rename(x, "d", "e", RENAME_EXCHANGE);
	box_write(x, "d/g", "g, changed\n", O_TRUNC);
	box_rename(x, "1", "0", 0);
	box_rename(x, "2", "1", 0);
	box_rename(x, "3", "2", 0);
	box_rename(x, "0", "3", 0);
	/* A directory takes the place of the one that it was in. */
	box_rename(x, "outer/inner", "inner", 0);
	box_rmdir(x, "outer");
	box_rename(x, "inner", "outer", 0);
	box_rename(x, "file", "dir", RENAME_EXCHANGE);
}

/* ---- types ---- */

static void types_host(void)
{
	host_write("file-dir", "file\n");
	dir("dir-file");
	host_write("dir-file/f", "f\n");
	dir("dir-file/d");
	dir("dir-link");
	host_write("dir-link/f", "f\n");
	slink("nowhere", "link-file");
	host_write("file-link", "f\n");
	host_write("file-fifo", "f\n");
	slink("nowhere", "link-dir");
	dir("empty-fifo");
}

static void types_box(struct world *x)
{
	box_unlink(x, "file-dir");
	box_mkdir(x, "file-dir");
	box_new(x, "file-dir/f", "f\n");
	box_unlink(x, "dir-file/f");
	box_rmdir(x, "dir-file/d");
	box_rmdir(x, "dir-file");
	box_new(x, "dir-file", "file\n");
	box_unlink(x, "dir-link/f");
	box_rmdir(x, "dir-link");
	box_symlink(x, "elsewhere", "dir-link");
	box_unlink(x, "link-file");
	box_new(x, "link-file", "file\n");
	box_unlink(x, "file-link");
	box_symlink(x, "elsewhere", "file-link");
	box_unlink(x, "file-fifo");
	box_mknod(x, "file-fifo", S_IFIFO | 0644, 0);
	box_unlink(x, "link-dir");
	box_mkdir(x, "link-dir");
	box_new(x, "link-dir/f", "f\n");
	box_rmdir(x, "empty-fifo");
	box_mknod(x, "empty-fifo", S_IFIFO | 0644, 0);
}

/* ---- links: files of several names ---- */

static void links_host(void)
{
	dir("d");
	host_write("longer", "old\n");
	same("longer", "longer-2");
	host_write("shorter", "old content that is rather long\n");
	same("shorter", "d/shorter-2");
	same("shorter", "d/shorter-3");
	host_write("mode", "same\n");
	same("mode", "mode-2");
	host_write("old", "old\n");
	host_write("two", "two\n");
	same("two", "two-2");
	host_write("three", "three\n");
	same("three", "three-2");
	same("three", "d/three-3");
	host_write("moved", "moved\n");
	same("moved", "moved-2");
	host_write("nameless", "old\n");
	same("nameless", "nameless-2");
}

static void links_box(struct world *x)
{
	box_append(x, "longer", "and more than that\n");
	box_write(x, "d/shorter-2", "new\n", O_TRUNC);
	box_chmod(x, "mode", 0640);
	box_link(x, "old", "old-again");
	box_unlink(x, "two");
	box_unlink(x, "three");
	box_append(x, "three-2", "changed\n");
	box_rename(x, "moved", "d/moved", 0);
	box_append(x, "d/moved", "changed\n");
	box_append(x, "nameless", "changed\n");
	box_unlink(x, "nameless");
	box_new(x, "new", "new\n");
	box_link(x, "new", "new-2");
	box_link(x, "new", "d/new-3");
}

/* ---- links-2: others of them ---- */

static void links2_host(void)
{
	slink("nowhere", "l");
	same("l", "l-2");
	must(mkfifo("p", 0644), "p");
	host_write("a", "a\n");
	same("a", "a-2");
	host_write("split", "split\n");
	same("split", "split-2");
	host_write("locked", "old\n");
	same("locked", "locked-2");
	must(chmod("locked", 0400), "locked");
	dir("gone");
	host_write("gone/f", "f\n");
	same("gone/f", "kept");
	dir("away");
	host_write("away/f", "f\n");
	same("away/f", "stays");
	must(setxattr("stays", "user.key", "value", 5, 0), "user xattr");
}

static void links2_box(struct world *x)
{
	box_unlink(x, "l-2");
	box_symlink(x, "elsewhere", "l-2");
	box_link(x, "p", "p-2");
	box_link(x, "a", "a-3");
	box_append(x, "a-3", "more\n");
	box_replace(x, "split-2", "its own\n");
	box_chmod(x, "locked", 0600);
	box_append(x, "locked", "more\n");
	box_chmod(x, "locked", 0400);
	box_unlink(x, "gone/f");
	box_rmdir(x, "gone");
	box_rename(x, "away", "away-moved", 0);
	box_append(x, "away-moved/f", "more\n");
	box_xattr(x, "stays", "user.key", "other", 5);
}

/* ---- rights ---- */

static void rights_host(void)
{
	dir("locked");
	host_write("locked/f", "f\n");
	host_write("locked/g", "g\n");
	must(chmod("locked", 0555), "locked");
	host_write("suid", "program\n");
	must(chmod("suid", 04755), "suid");
	host_write("none", "nobody reads it\n");
	must(chmod("none", 0), "none");
	dir("shared");
	must(chmod("shared", 01777), "shared");
	dir("group");
	must(chmod("group", 02775), "group");
	host_write("group/f", "f\n");
}

static void rights_box(struct world *x)
{
	box_chmod(x, "locked", 0755);
	if (geteuid() == 0) {
		box_unlink(x, "locked/f");
		box_new(x, "locked/new", "new\n");
	}
	box_append(x, "locked/g", "more\n");
	box_chmod(x, "locked", 0555);
	box_append(x, "suid", "patched\n");
	box_chmod(x, "suid", 04711);
	box_new(x, "suid-added", "program\n");
	box_chmod(x, "suid-added", 06755);
	/* Who is not root cannot read it, not even to change its mode in a box. */
	if (geteuid() == 0) {
		box_chmod(x, "none", 0600);
		box_append(x, "none", "more\n");
		box_chmod(x, "none", 0);
	}
	box_new(x, "shared/f", "f\n");
	box_mkdir(x, "group/sub");
	box_append(x, "group/f", "more\n");
	box_new(x, "read-only", "text\n");
	box_chmod(x, "read-only", 0444);
}

/* ---- owners: what root alone can do ---- */

static void owners_host(void)
{
	host_write("owner", "same\n");
	must(chown("owner", 1000, 1000), "owner");
	host_write("content", "old\n");
	must(chown("content", 1000, 1001), "content");
	must(chmod("content", 06750), "content");
	host_write("capable", "program\n");
	host_write("linked", "old\n");
	same("linked", "linked-2");
	must(chown("linked", 1000, 1000), "linked");
	dir("d");
	must(chown("d", 1000, 1000), "d");
	must(mknod("null", S_IFCHR | 0666, makedev(1, 3)), "null");
	must(mknod("disk", S_IFBLK | 0600, makedev(7, 200)), "disk");
	dir("theirs");
	host_write("theirs/f", "f\n");
	must(chown("theirs", 1000, 1000) | chmod("theirs", 0700), "theirs");
}

static void owners_box(struct world *x)
{
	static const unsigned char cap[20] = { 0, 0, 0, 2, 0, 4 };

	box_chown(x, "owner", 1001, 1001);
	box_append(x, "content", "more\n");
	box_chmod(x, "content", 06750);
	box_xattr(x, "capable", "security.capability", cap, sizeof cap);
	box_new(x, "capable-added", "program\n");
	box_xattr(x, "capable-added", "security.capability", cap, sizeof cap);
	box_chown(x, "linked", 1001, 0);
	box_append(x, "linked", "more\n");
	box_chown(x, "d", 0, 1001);
	box_chmod(x, "null", 0600);
	box_unlink(x, "disk");
	box_mknod(x, "zero", S_IFCHR | 0666, makedev(1, 5));
	box_append(x, "theirs/f", "more\n");
	box_new(x, "theirs/new", "new\n");
	box_chown(x, "theirs/new", 1000, 1000);
}

/* ---- small: few calls, so that the recovery of each can be gone through ---- */

static void small_host(void)
{
	host_write("m", "old\n");
	host_write("r", "r\n");
	host_write("l", "old content\n");
	same("l", "l-2");
	dir("d");
	host_write("d/f", "f\n");
	dir("e");
}

static void small_box(struct world *x)
{
	box_replace(x, "m", "new\n");
	box_rename(x, "r", "e/r", 0);
	box_write(x, "l", "new\n", O_TRUNC);
	box_unlink(x, "d/f");
	box_rmdir(x, "d");
	box_new(x, "d", "a file\n");
	box_chmod(x, "e", 0700);
}

static void small_links_host(void)
{
	host_write("a", "old\n");
	same("a", "a-2");
	host_write("b", "b\n");
	host_write("c", "c\n");
	same("c", "c-2");
}

static void small_links_box(struct world *x)
{
	box_append(x, "a", "longer\n");
	box_chmod(x, "b", 0600);
	box_link(x, "b", "b-2");
	box_replace(x, "c", "its own\n");
}

/* ---- */

#define PATHS(...) ((const char *const[]){ __VA_ARGS__, NULL })

const struct scene scenes[] = {
	{ "files", files_host, files_box, PATHS("modified", "added", "deleted", "d", "mode", "link"), SCENE_PLAIN },
	{ "trees", trees_host, trees_box, PATHS("new", "gone", "again", "emptied/f", "meta"), 0 },
	{ "renames", renames_host, renames_box, PATHS("a", "b-moved", "d-moved", "out", "fresh", "into"), 0 },
	{ "swaps", swaps_host, swaps_box, PATHS("d", "a", "1", "outer"), 0 },
	{ "types", types_host, types_box, PATHS("file-dir", "dir-file", "link-file"), 0 },
	{ "links", links_host, links_box, PATHS("longer", "d/shorter-2", "new", "moved"), SCENE_PLAIN },
	{ "links-2", links2_host, links2_box, PATHS("a-3", "gone", "split-2"), SCENE_PLAIN },
	{ "rights", rights_host, rights_box, PATHS("locked", "suid", "group"), 0 },
	{ "owners", owners_host, owners_box, PATHS("owner", "zero", "theirs"), SCENE_ROOT },
	{ "small", small_host, small_box, PATHS("r", "l"), 0 },
	{ "small-links", small_links_host, small_links_box, PATHS("a"), SCENE_PLAIN },
	{ 0 },
};

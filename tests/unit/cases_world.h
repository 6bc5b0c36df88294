/* cases_world.h - for the tests of docs/MERGE-CASES.md: a situation is made, judged, and must be the row that is cited.
 *
 * tests/lint/cases.sh looks for row(x, NUMBER, or row_is(NUMBER, in the test that the row names.
 */
#ifndef COWBOX_TESTS_CASES_WORLD_H
#define COWBOX_TESTS_CASES_WORLD_H

#include "commit_world.h"

#include <sys/xattr.h>

#include "../../src/commit/cases.h"
#include "../../src/commit/plan.h"
#include "../skip.h"

#define BIG ((off_t)8 << 20)

/* Judges anew. The item of the name must be of that row. */
static inline const struct commit_item *row(struct world *x, unsigned number, const char *name)
{
	const struct commit_item *it;
	const struct case_row *r;
	size_t n, said;

	plan(x);
	it = find(x, name);
	r = case_rows(&n);
	while (n > 1 && r->number != number) {
		r++;
		n--;
	}
	if (it->row != number)
		fail_msg("%s: row %u, not %u: %s", name, it->row, number, it->why);
	assert_int_equal(r->number, number);
	assert_int_equal(it->verdict, case_commit_verdict(r->verdict));
	assert_int_equal(it->mergeable, r->verdict == CASE_MERGE);
	said = strcspn(r->says, "%");
	assert_int_equal(strncmp(it->why, r->says, said), 0);
	return it;
}

/* Of what only happens while a plan is made, or should not happen at all: the row alone. */
static inline void row_is(unsigned number, unsigned was, unsigned box, unsigned host)
{
	assert_int_equal(case_find(was, box, host)->number, number);
}

/* Of the item these parts, and no others, stay the host's. */
static inline const struct commit_item *row_keeps(const struct commit_item *it, unsigned keep)
{
	assert_int_equal(it->keep, keep);
	return it;
}

/* All is committed and out of the box. */
static inline void done(struct world *x)
{
	commit_all(x);
	assert_all(x);
}

static inline void host_touch(const char *name, time_t sec)
{
	struct timespec ts[2] = { { .tv_sec = sec }, { .tv_sec = sec } };

	assert_int_equal(utimensat(AT_FDCWD, name, ts, AT_SYMLINK_NOFOLLOW), 0);
}

static inline void host_append(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_APPEND | O_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static inline mode_t host_mode(const char *name)
{
	return host_stat_of(name).st_mode & 07777;
}

static inline void box_chown(struct world *x, const char *name, uid_t uid, gid_t gid)
{
	_cleanup_object_ struct object o;

	box_begin(x);
	object_init(&o);
	assert_int_equal(overlay_lookup(x->ov, &x->caller, view(x, name), LOOKUP_NOFOLLOW, &o), 0);
	assert_int_equal(object_chown(x->ov, &x->caller, &o, uid, gid), 0);
}

static inline void box_setxattr(struct world *x, const char *name, const char *attr, const char *value)
{
	_cleanup_object_ struct object o;

	box_begin(x);
	object_init(&o);
	assert_int_equal(overlay_lookup(x->ov, &x->caller, view(x, name), 0, &o), 0);
	assert_int_equal(object_setxattr(x->ov, &x->caller, &o, attr, value, strlen(value), 0), 0);
}

static inline void box_mknod(struct world *x, const char *name, mode_t mode, dev_t dev)
{
	box_begin(x);
	assert_int_equal(overlay_mknod(x->ov, &x->caller, view(x, name), mode, dev), 0);
}

/* The box puts a symlink in the place of what was there. */
static inline void box_relink(struct world *x, const char *target, const char *name)
{
	box_unlink(x, name);
	box_symlink(x, target, name);
}

#endif

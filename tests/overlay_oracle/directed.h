/* directed.h - what the directed tests share: a small world for each test, and short words for calls on its view.
 *
 * Paths given to these are below the host directory. Calls give 0 or positive, or -errno.
 */
#ifndef ORACLE_DIRECTED_H
#define ORACLE_DIRECTED_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/cred.h"
#include "base/sys.h"
#include "base/fd.h"
#include "side.h"
#include "world.h"

struct test {
	struct world w;
	bool sealed;      /* sealed: the host must be as sealed when the test ends */
};
#define T(state) ((struct test *)*(state))
#define W(p) (&(struct where){ .base = "", .path = (p), .umask = 022 })
/* A call on the view: V(mkdir, W("a"), 0755) */
#define V(t, verb, ...) ((t)->w.view.ops->verb(&(t)->w.view, __VA_ARGS__))

int test_setup(void **state);
int test_teardown(void **state);
/* From here on the host directory must not change. */
void test_seal(struct test *t);
const char *test_abs(struct test *t, const char *path);   /* absolute view (and host) path; a few stay valid at once */

/* On the host, by plain calls; they fail the test when they cannot. */
void host_write(struct test *t, const char *path, const char *text);
void host_mkdir(struct test *t, const char *path);
void host_symlink(struct test *t, const char *target, const char *path);
void host_mtime(struct test *t, const char *path, time_t sec);

/* In the view. */
int view_write(struct test *t, const char *path, const char *text);    /* creates or truncates */
int view_append(struct test *t, const char *path, const char *text);
struct stat view_lstat(struct test *t, const char *path);              /* fails the test when it is not there */
bool view_has(struct test *t, const char *path);
void assert_view(struct test *t, const char *path, const char *text);  /* the file's content */
void assert_gone(struct test *t, const char *path);                    /* by stat and by the listing of its directory */
void assert_names(struct test *t, const char *dir, const char *names); /* the listing: names sorted, with a space between */
int view_object(struct test *t, const char *path, unsigned flags, struct object *ret);
void assert_fd_text(int fd, const char *text);

/* An ordinary user's rights: those of user 65534 when the tests run as root, else our own. */
void as_user(void);
void as_self(void);
#define TEST_UID 65534
uid_t test_user(void);

int directed_names(void);
int directed_files(void);
int directed_lists(void);
int directed_rights(void);
int directed_changes(void);
int directed_full(void);

#define TEST(f) cmocka_unit_test_setup_teardown(f, test_setup, test_teardown)

#endif

/* test_base_cred.c - acting as another user, one thread at a time. What needs root says so and is skipped without. */
#include "fixture.h"

#include <pthread.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>

#include "base/cred.h"
#include "base/sys.h"
#include "../skip.h"

#define SOME_UID 12345
#define SOME_GID 23456
#define OTHER_GID 34567

static struct cred someone(void)
{
	return (struct cred){ .fsuid = SOME_UID, .fsgid = SOME_GID, .ngroups = 1, .groups = { OTHER_GID } };
}

static void need_root(void)
{
	if (!cred_process_is_root()) {
		SKIP("needs root to act as another user");
	}
}

static int thread_fsuid(void)
{
	return setfsuid((uid_t)-1);
}

static void own_credentials(void **state)
{
	(void)state;
	assert_int_equal(cred_process_is_root(), geteuid() == 0);
	assert_int_equal(cred_fsuid(), geteuid());
	assert_int_equal(cred_fsgid(), getegid());
	assert_int_equal(cred_is_root(), geteuid() == 0);
	assert_true(cred_in_group(getegid()));
	assert_false(cred_in_group(SOME_GID));
}

static void no_op_for_an_ordinary_user(void **state)
{
	struct cred c = someone();

	(void)state;
	if (cred_process_is_root()) {
		SKIP("needs an ordinary user");
	}
	assert_int_equal(cred_assume(&c), 0);
	assert_int_equal(cred_fsuid(), geteuid());
	assert_int_equal(cred_own_begin(), 0);
	cred_drop();
}

static void files_belong_to_the_assumed(void **state)
{
	struct cred c = someone();
	struct stat st;
	int dir = T(state), fd;

	need_root();
	assert_int_equal(fchmod(dir, 0777), 0);
	assert_int_equal(cred_assume(&c), 0);
	assert_int_equal(cred_fsuid(), SOME_UID);
	assert_int_equal(cred_fsgid(), SOME_GID);
	assert_false(cred_is_root());
	assert_true(cred_in_group(OTHER_GID));
	assert_true(cred_in_group(SOME_GID));
	assert_false(cred_in_group(0));
	fd = sys_openat(dir, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	cred_drop();
	assert_true(fd >= 0);
	assert_int_equal(sys_fstat(fd, &st), 0);
	assert_int_equal(st.st_uid, SOME_UID);
	assert_int_equal(st.st_gid, SOME_GID);
	close(fd);
	assert_int_equal(cred_fsuid(), 0);
}

/* The kernel itself takes root's capabilities away with fsuid, and gives them back. */
static void rights_are_the_assumed_ones(void **state)
{
	struct cred c = someone();
	int dir = T(state), fd;

	need_root();
	assert_int_equal(fchmod(dir, 0755), 0);
	close(dir_file(dir, "secret", "x", 0600));
	fd = dir_file(dir, "group", "x", 0640);
	assert_int_equal(fchown(fd, 0, OTHER_GID), 0);
	close(fd);

	assert_int_equal(cred_assume(&c), 0);
	assert_int_equal(sys_openat(dir, "secret", O_RDONLY, 0), -EACCES);
	assert_int_equal(sys_openat(dir, "new", O_WRONLY | O_CREAT, 0600), -EACCES);
	fd = sys_openat(dir, "group", O_RDONLY | O_CLOEXEC, 0);
	cred_drop();
	assert_true(fd >= 0);
	close(fd);
	fd = sys_openat(dir, "secret", O_RDONLY | O_CLOEXEC, 0);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(syscall(SYS_getgroups, 0, NULL), getgroups(0, NULL));
}

static void own_scopes_nest(void **state)
{
	struct cred c = someone();

	(void)state;
	need_root();
	assert_int_equal(cred_assume(&c), 0);
	assert_int_equal(thread_fsuid(), SOME_UID);
	{
		_cleanup_cred_ int own = cred_own_begin();

		assert_int_equal(thread_fsuid(), 0);
		{
			_cleanup_cred_ int inner = cred_own_begin();

			(void)inner;
			assert_int_equal(thread_fsuid(), 0);
			assert_int_equal(cred_fsuid(), SOME_UID); /* still whom we serve */
			assert_false(cred_is_root());
		}
		assert_int_equal(thread_fsuid(), 0);
	}
	assert_int_equal(thread_fsuid(), SOME_UID);
	cred_drop();
	assert_int_equal(thread_fsuid(), 0);
	{
		_cleanup_cred_ int own = cred_own_begin();

		assert_int_equal(own, 0);
	}
	assert_int_equal(thread_fsuid(), 0);
}

static void from_one_to_another(void **state)
{
	struct cred a = someone(), b = someone(), root = { 0 }, bad = someone();

	(void)state;
	need_root();
	b.fsuid = SOME_UID + 1;
	b.ngroups = 0;
	assert_int_equal(cred_assume(&a), 0);
	assert_int_equal(cred_assume(&b), 0);
	assert_int_equal(thread_fsuid(), SOME_UID + 1);
	assert_false(cred_in_group(OTHER_GID));
	assert_int_equal(getgroups(0, NULL), 0);
	/* fsuid 0 with another group: root's rights stay. */
	root.fsgid = SOME_GID;
	assert_int_equal(cred_assume(&root), 0);
	assert_int_equal(thread_fsuid(), 0);
	assert_true(cred_is_root());
	assert_int_equal(cred_fsgid(), SOME_GID);
	cred_drop();
	assert_int_equal(cred_fsgid(), getegid());
	bad.ngroups = CRED_GROUPS_MAX + 1;
	assert_int_equal(cred_assume(&bad), -EINVAL);
	assert_int_equal(thread_fsuid(), 0);
}

/* What the other end of a socket is told, and that it is over at the end of the scope. */
static void ids_that_peers_are_told(void **state)
{
	struct cred c = someone();
	uid_t r, e, s;

	(void)state;
	need_root();
	assert_int_equal(cred_assume(&c), 0);
	{
		_cleanup_cred_ids_ int ids = cred_ids_begin(false);

		assert_int_equal(ids, 1);
		assert_int_equal(syscall(SYS_getresuid, &r, &e, &s), 0);
		assert_int_equal(r, 0);
		assert_int_equal(e, c.fsuid);
		assert_int_equal(s, 0);
	}
	{
		_cleanup_cred_ids_ int ids = cred_ids_begin(true);

		assert_int_equal(ids, 1);
		assert_int_equal(syscall(SYS_getresuid, &r, &e, &s), 0);
		assert_int_equal(r, c.fsuid);
		assert_int_equal(e, c.fsuid);
		assert_int_equal(s, 0);
	}
	assert_int_equal(syscall(SYS_getresuid, &r, &e, &s), 0);
	assert_int_equal(r + e + s, 0);
	assert_int_equal(thread_fsuid(), c.fsuid);
	cred_drop();
	assert_int_equal(thread_fsuid(), 0);
	assert_int_equal(syscall(SYS_getresgid, &r, &e, &s), 0);
	assert_int_equal(r + e + s, 0);
	{
		_cleanup_cred_ids_ int ids = cred_ids_begin(true);

		assert_int_equal(ids, 0);
	}
}

static void *see_fsuid(void *ret)
{
	*(int *)ret = thread_fsuid();
	return NULL;
}

struct meeting {
	pthread_barrier_t assumed, seen;
	struct cred c;
	int r;
};

static void *assume_and_wait(void *p)
{
	struct meeting *m = p;

	m->r = cred_assume(&m->c);
	pthread_barrier_wait(&m->assumed);
	pthread_barrier_wait(&m->seen);
	cred_drop();
	return NULL;
}

static void other_threads_are_not_touched(void **state)
{
	struct meeting m = { .c = someone(), .r = -1 };
	pthread_t t, u;
	int fsuid = -1;

	(void)state;
	need_root();
	pthread_barrier_init(&m.assumed, NULL, 2);
	pthread_barrier_init(&m.seen, NULL, 2);
	assert_int_equal(pthread_create(&t, NULL, assume_and_wait, &m), 0);
	pthread_barrier_wait(&m.assumed);
	assert_int_equal(thread_fsuid(), 0);
	assert_true(cred_is_root());
	assert_int_equal(pthread_create(&u, NULL, see_fsuid, &fsuid), 0);
	pthread_join(u, NULL);
	pthread_barrier_wait(&m.seen);
	pthread_join(t, NULL);
	assert_int_equal(m.r, 0);
	assert_int_equal(fsuid, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_credentials),
		cmocka_unit_test(ids_that_peers_are_told),
		cmocka_unit_test(no_op_for_an_ordinary_user),
		DIR_TEST(files_belong_to_the_assumed),
		DIR_TEST(rights_are_the_assumed_ones),
		cmocka_unit_test(own_scopes_nest),
		cmocka_unit_test(from_one_to_another),
		cmocka_unit_test(other_threads_are_not_touched),
	};

	cred_init();
	return cmocka_run_group_tests_name("base/cred", tests, NULL, NULL);
}

/* test_probe.c - the walls are found, and one that is missing refuses the start with a line that names it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "trace/run.h"
#include "../../src/trace/filter.h"
#include "../../src/trace/probe.h"
#include "../skip.h"

static void test_probe_is_whole(void **state)
{
	(void)state;
	struct wall w[WALLS_MAX];
	size_t n = trace_probe(w);
	assert_in_range(n, 8, WALLS_MAX);
	for (size_t i = 0; i < n; i++) {
		print_message("%-42s %s %s\n", w[i].name, w[i].state == WALL_STANDS ? "stands" : "-", w[i].detail);
		assert_true(w[i].detail[0]);
		assert_int_equal(w[i].state == WALL_STANDS, w[i].effect[0] == '\0');
		assert_false(w[i].state == WALL_MISSING && !w[i].required);
	}
}

static void test_missing_wall_refuses(void **state)
{
	(void)state;
	static const char *const keys[][2] = {
		{ "seccomp", "seccomp user notification" },
		{ "addfd", "descriptors handed" },
		{ "landlock", "Landlock" },
		{ "ptrace", "ptrace" },
		{ "vm", "memory" },
		{ "pidfd-getfd", "descriptors" },
		{ "openat2", "openat2" },
		{ "x,openat2", "openat2" },
	};
	struct err err;
	if (trace_check(&err) < 0) {
		SKIP("boxes cannot run here: %s", err.msg);
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		setenv("COWBOX_TEST_WALL_OFF", keys[i][0], 1);
		assert_int_equal(trace_check(&err), -ENOSYS);
		assert_non_null(strstr(err.msg, keys[i][1]));
	}
	setenv("COWBOX_TEST_WALL_OFF", "landlock-scopes,killable,land", 1);
	assert_int_equal(trace_check(&err), 0);
	assert_false(probe_signal_scope());
	unsetenv("COWBOX_TEST_WALL_OFF");
}

static void test_nested(void **state)
{
	(void)state;
	assert_false(probe_nested());
	struct sock_fprog prog;
	struct filter_options opt = { .has_signal_scope = true };
	assert_int_equal(filter_build(&opt, &prog, NULL), 0);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		struct err err;
		if (filter_install(&prog, NULL) < 0)
			_exit(77);
		if (!probe_nested() || trace_check(&err) != -ENOSYS || !strstr(err.msg, "within a box"))
			_exit(1);
		/* A second filter of the same kind cannot be put on top. */
		_exit(filter_install(&prog, NULL) >= 0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	filter_release(&prog);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		SKIP("a filter cannot be installed here");
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probe_is_whole),
		cmocka_unit_test(test_missing_wall_refuses),
		cmocka_unit_test(test_nested),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

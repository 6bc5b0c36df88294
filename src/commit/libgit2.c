/* libgit2.c - libgit2, loaded when it is first needed. LIBGIT2_SONAME is that of the library whose headers were compiled with. */
#include "libgit2.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

static struct libgit2 loaded;
static char problem[256];

static void load(void)
{
	static const struct {
		const char *name;
		void **to;
	} want[] = {
		{ "git_libgit2_init", (void **)&loaded.init },
		{ "git_libgit2_shutdown", (void **)&loaded.shutdown },
		{ "git_diff_options_init", (void **)&loaded.diff_options_init },
		{ "git_diff_buffers", (void **)&loaded.diff_buffers },
		{ "git_merge_file", (void **)&loaded.merge_file },
		{ "git_merge_file_result_free", (void **)&loaded.merge_file_result_free },
	};
	void *lib = dlopen(LIBGIT2_SONAME, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; lib && i < sizeof want / sizeof *want; i++) {
		*want[i].to = dlsym(lib, want[i].name);
		if (!*want[i].to)
			lib = NULL;
	}
	if (!lib)
		snprintf(problem, sizeof problem, "%s", dlerror());
	else if (loaded.init() < 0)
		snprintf(problem, sizeof problem, LIBGIT2_SONAME " cannot be set up");
}

int libgit2_load(const struct libgit2 **ret, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	if (problem[0])
		return err_set(err, -ENOSYS, "%s: install libgit2 (its package in Debian is libgit2-1.5)", problem);
	*ret = &loaded;
	return 0;
}

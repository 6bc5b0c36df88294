/* Deep directories reached one step at a time, as rm and find do. Deeper than a path can say differs, see docs/DIFFERENCES.md. */
#include "guest.h"

int main(void)
{
	char name[300], path[5000];
	size_t n;

	memset(name, 0, sizeof(name));
	memset(name, 'd', 200);
	name[200] = 0;
	for (n = 0; n < 15; n++)
		if (mkdir(name, 0755) < 0 || chdir(name) < 0) {
			printf("step %zu: %s\n", n, strerrorname_np(errno));
			break;
		}
	printf("steps %zu\n", n);
	guest_put("bottom", "deep down");
	guest_cat("bottom");
	SHOW_OK(getcwd(path, sizeof(path)) ? 0 : -1);
	SHOW(unlink("bottom"));
	for (; n > 0; n--)
		if (chdir("..") < 0 || rmdir(name) < 0) {
			printf("back %zu: %s\n", n, strerrorname_np(errno));
			break;
		}
	printf("back to %zu\n", n);
	SHOW(access("host/f1", F_OK));
	return 0;
}

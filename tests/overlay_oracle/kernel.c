/* kernel.c - the second oracle: the kernel's overlayfs, given the layer that a random sequence left, must show the tree the view shows.
 *
 * The box's lower is the host's root; only the test's own directory is mounted, over a copy of the layer's directory that mirrors it. Renames
 * of directories are left out (a userxattr mount does not follow redirects), and so are host files with several names (a mount
 * without index shows a copied-up name apart from its other names). Each round has its own mount namespace, so its mount
 * goes with the process, however that ends.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cred.h"
#include "op.h"
#include "snapshot.h"
#include "sample.h"
#include "world.h"
#include "../skip.h"

#define SKIPPED 77

extern char **environ;

struct options {
	uint64_t seed;
	int ops, rounds;
	const char *parent;
};

static int skip(const char *why, int code)
{
	skip_note("%s%s%s", why, code ? ": " : "", code ? strerror(code) : "");
	return SKIPPED;
}

static int make_dirs(const char *path)
{
	char part[PATH_MAX];

	for (const char *p = path; p; p = strchr(p + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(p == path ? 0 : p - path), path);
		if (part[0] && mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int copy_all(const char *from, const char *to)
{
	char *argv[] = { (char *)"cp", (char *)"-a", (char *)"-T", (char *)"--", (char *)from, (char *)to, NULL };
	int status;
	pid_t pid;
	int r = posix_spawnp(&pid, "cp", NULL, NULL, argv, environ);

	if (r)
		return -r;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

/* The layers' copies of the host directory as lowerdir and upperdir, the host directory below them. */
static int mount_layers(struct world *w, const char *mount_at)
{
	char from[PATH_MAX + 64], tree[2 * PATH_MAX], work[PATH_MAX], options[8 * PATH_MAX], lower[4 * PATH_MAX] = "";

	snprintf(work, sizeof(work), "%s/kernel-work", w->dir);
	if (mkdir(work, 0755) < 0 || mkdir(mount_at, 0755) < 0)
		return -errno;
	for (int i = 0; i < w->box->nlayers; i++) {
		char to[PATH_MAX + 64], rest[4 * PATH_MAX];
		int r;

		snprintf(from, sizeof(from), "%s/layers/%d/tree", w->box->path, w->box->layer[i]);
		snprintf(to, sizeof(to), "%s/kernel-layer-%d", w->dir, w->box->layer[i]);
		snprintf(tree, sizeof(tree), "%s%s", to, w->host.root);
		r = copy_all(from, to);
		if (r >= 0)
			r = make_dirs(tree);
		if (r < 0)
			return r;
		strcpy(rest, lower);
		if (i + 1 < w->box->nlayers)
			snprintf(lower, sizeof(lower), "%s%s%s", tree, rest[0] ? ":" : "", rest);
	}
	snprintf(options, sizeof(options), "userxattr,lowerdir=%s%s%s,upperdir=%s,workdir=%s", lower, lower[0] ? ":" : "", w->host.root, tree,
		 work);
	return mount("overlay", mount_at, "overlay", MS_RDONLY, options) < 0 ? -errno : 0;
}

static void run_ops(struct world *w, const struct options *o, struct op *ops)
{
	const struct op_options rules = { .root = true, .no_directory_rename = true, .as_uid = (uid_t)-1 };
	struct rng r = { o->seed * 104729 + 3 };

	for (int i = 0; i < o->ops; i++) {
		int tries = 0;

		do
			op_make(&ops[i], &r, &w->plain, &rules);
		while (!op_stays_inside(&ops[i], &w->plain, &rules) && ++tries < 50);
		if (tries >= 50)
			continue;
		free(op_run_text(&ops[i], &w->plain));
		free(op_run_text(&ops[i], &w->view));
	}
}

static int compare(struct world *w, struct side *mounted)
{
	char *view = NULL, *kernel = NULL;
	int r = 0;

	snapshot_take(&w->view, SNAPSHOT_TIMES | SNAPSHOT_EXACT | SNAPSHOT_NLINK, &view);
	snapshot_take(mounted, SNAPSHOT_TIMES | SNAPSHOT_EXACT | SNAPSHOT_NLINK, &kernel);
	char *diff = snapshot_diff("kernel", kernel, "  view", view, 15);
	if (diff) {
		fprintf(stderr, "the kernel's overlayfs shows another tree:\n%s", diff);
		r = 1;
	}
	free(diff);
	free(view);
	free(kernel);
	return r;
}

static int round_run(const struct options *o)
{
	static struct world w;
	char mount_at[PATH_MAX];
	struct side mounted;
	struct op *ops = calloc((size_t)o->ops, sizeof(*ops));
	int r;

	alarm(300);
	if (!ops)
		return 125;
	cred_init();
	world_make(&w, o->parent, o->seed, SAMPLE_OWNERS | SAMPLE_UNREADABLE | SAMPLE_ACLS, true);
	run_ops(&w, o, ops);
	snprintf(mount_at, sizeof(mount_at), "%s/kernel-view", w.dir);
	r = mount_layers(&w, mount_at);
	if (r < 0) {
		fprintf(stderr, "the kernel does not mount the layer: %s\n", strerror(-r));
		r = 1;
	} else {
		side_init_plain(&mounted, "kernel", mount_at, w.host.root);
		r = compare(&w, &mounted);
		umount2(mount_at, MNT_DETACH);
	}
	for (int i = r && o->ops > 40 ? o->ops - 40 : 0; r && i < o->ops; i++)
		op_print(stderr, &ops[i]);
	if (r)
		fprintf(stderr, "again with: kernel --seed %llu --ops %d --rounds 1\nthe data is in %s\n", (unsigned long long)o->seed, o->ops, w.dir);
	free(ops);
	world_release(&w, !r);
	return r;
}

/* Whether this kernel mounts an overlay with user xattrs here at all. */
static int probe(const struct options *o)
{
	const char *parent = o->parent ? o->parent : getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	static const char *const names[] = { "l", "u", "w", "m" };
	char dir[PATH_MAX], path[PATH_MAX + 8], options[4 * PATH_MAX + 64];
	int r = 0;

	if (unshare(CLONE_NEWNS) < 0)
		return skip("no mount namespace", errno);
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return skip("mounts cannot be made private", errno);
	snprintf(dir, sizeof(dir), "%s/cowbox-probe-XXXXXX", parent);
	if (!mkdtemp(dir))
		return perror(dir), 125;
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		if (mkdir(path, 0755) < 0)
			r = errno;
	}
	snprintf(options, sizeof(options), "userxattr,lowerdir=%s/l,upperdir=%s/u,workdir=%s/w", dir, dir, dir);
	if (!r && mount("overlay", path, "overlay", 0, options) < 0)
		r = skip("this kernel does not mount overlay with userxattr here", errno);
	if (!r)
		umount2(path, MNT_DETACH);
	sample_remove(dir);
	return r;
}

static int in_child(const struct options *o, int (*f)(const struct options *))
{
	int status;

	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		int r = f == round_run && unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? 125 : f(o);
		fflush(NULL);
		_exit(r);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		fprintf(stderr, "seed %llu: ended by signal %d\n", (unsigned long long)o->seed, WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "seed", 1, 0, 's' }, { "ops", 1, 0, 'o' }, { "rounds", 1, 0, 'r' }, { "dir", 1, 0, 'd' }, { 0, 0, 0, 0 },
	};
	struct options o = { .ops = 300, .rounds = 1 };
	int c, failed = 0;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 's': o.seed = strtoull(optarg, NULL, 0); break;
		case 'o': o.ops = atoi(optarg); break;
		case 'r': o.rounds = atoi(optarg); break;
		case 'd': o.parent = optarg; break;
		default: fprintf(stderr, "usage: kernel [--seed N] [--ops N] [--rounds N] [--dir DIR]\n"); return 2;
		}
	if (geteuid() != 0)
		return skip("mounting overlayfs needs root", 0);
	if (!o.seed && getrandom(&o.seed, sizeof(uint32_t), 0) < 0)
		o.seed = (uint64_t)getpid();
	c = in_child(&o, probe);
	if (c)
		return c;
	for (int i = 0; i < o.rounds; i++, o.seed++) {
		printf("seed %llu: %d operations\n", (unsigned long long)o.seed, o.ops);
		failed += in_child(&o, round_run) != 0;
	}
	return failed ? 1 : 0;
}

/* commit_sides.c - the texts of both sides of a change, compared and merged.
 *
 * How long a comparison of lines takes is up to who wrote them: lines whose hashes collide make it quadratic. So it is done in a child that gets
 * some seconds of processor time, and no file of a box can keep a commit from going on.
 */
#include "commit_ui.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "commit/hunks.h"

#define GUARD_SECONDS 20
#define CONTEXT 3 /* lines around a change */

/* ---- the child ---- */

static void __attribute__((noreturn)) guard_child(guarded fn, void *ctx, unsigned seconds, int fd)
{
	struct rlimit cpu = { .rlim_cur = seconds, .rlim_max = seconds + 1 }, core = { 0 };
	_cleanup_fclose_ FILE *out = NULL;
	int r;

	/* What ends us ends it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	setrlimit(RLIMIT_CORE, &core);
	if (setrlimit(RLIMIT_CPU, &cpu) < 0)
		_exit(1);
	/* The result of fn first, when it is known. */
	out = fdopen(fd, "w");
	if (!out || fseek(out, sizeof r, SEEK_SET) < 0)
		_exit(1);
	r = fn(ctx, out);
	if (fflush(out) != 0 || sys_pwrite_all(fd, &r, sizeof r, 0) < 0)
		_exit(1);
	_exit(0);
}

static int guard_result(int fd, char **ret, size_t *ret_size)
{
	_cleanup_free_ char *data = NULL;
	struct stat st;
	size_t size;
	int r, n = sys_fstat(fd, &st);

	if (n < 0 || st.st_size < (off_t)sizeof r)
		return n < 0 ? n : -EIO;
	size = (size_t)st.st_size - sizeof r;
	data = malloc(size + 1);
	if (!data)
		return -ENOMEM;
	if (sys_pread_all(fd, &r, sizeof r, 0) != sizeof r || sys_pread_all(fd, data, size, sizeof r) != (ssize_t)size)
		return -EIO;
	data[size] = '\0';
	if (r >= 0) {
		*ret = TAKE_PTR(data);
		*ret_size = size;
	}
	return r;
}

int guard_run(guarded fn, void *ctx, unsigned seconds, char **ret, size_t *ret_size)
{
	_cleanup_close_ int fd = memfd_create("cowbox-guard", MFD_CLOEXEC);
	int status;
	pid_t pid;

	if (fd < 0)
		return -errno;
	fflush(stdout);
	fflush(stderr);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		guard_child(fn, ctx, seconds, fd);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFSIGNALED(status))
		return -ETIME;
	return WEXITSTATUS(status) ? -EIO : guard_result(fd, ret, ret_size);
}

/* ---- reading ---- */

void sides_release(struct sides *s)
{
	merge_side_release(&s->base);
	merge_side_release(&s->box);
	merge_side_release(&s->host);
}

static int read_side(int fd, const char *what, struct merge_side *ret, bool *ret_has, struct err *err)
{
	int r = fd < 0 ? 0 : merge_side_read(fd, ret);

	*ret_has = fd >= 0;
	if (r == -EFBIG)
		return err_set(err, r, "%s is larger than %zu MiB", what, MERGE_SIZE_MAX >> 20);
	if (r < 0)
		return err_sys(err, r, "%s", what);
	return merge_side_check(ret, what, err);
}

int sides_read(struct commit_plan *plan, size_t i, struct sides *ret, struct err *err)
{
	_cleanup_close_ int base = -1, box = -1, host = -1;
	_cleanup_sides_ struct sides s = { 0 };
	bool has;
	int r = commit_open_sides(plan, i, &base, &box, &host);

	if (r == -EOPNOTSUPP)
		return err_set(err, r, "it is no file on both sides");
	if (r < 0)
		return err_sys(err, r, "it cannot be read");
	r = read_side(box, "the box's", &s.box, &has, err);
	if (r == 0)
		r = read_side(host, "the host's", &s.host, &s.has_host, err);
	if (r == 0)
		r = read_side(base, "the original", &s.base, &s.has_base, err);
	if (r == 0) {
		*ret = s;
		s = (struct sides){ 0 };
	}
	return r;
}

/* ---- merging ---- */

struct merge_job {
	const struct sides *s;
	const char *label;
};

/* Before the text. */
struct merge_head {
	size_t conflicts;
	unsigned marker_size;
};

static int merge_job(void *ctx, FILE *out)
{
	const struct merge_job *job = ctx;
	const struct sides *s = job->s;
	struct merged m = { 0 };
	struct merge_head head;
	int r = merge_text(s->has_base ? &s->base : NULL, &s->box, &s->host, job->label, "host", 0, &m, NULL);

	if (r < 0)
		return r;
	head = (struct merge_head){ m.conflicts, m.marker_size };
	return fwrite(&head, sizeof head, 1, out) == 1 && fwrite(m.data, 1, m.size, out) == m.size ? r : -EIO;
}

static int too_hard(struct err *err, int r, const char *what)
{
	return r == -ETIME ? err_set(err, r, "too hard to %s", what) : err_sys(err, r, "it cannot be %sd", what);
}

/* Loading the library takes longer than most merges: once here, and not in each child. */
static void load_library(void)
{
	/* Equal sides would need none. */
	const struct merge_side base = { (char *)"1\n", 2 }, box = { (char *)"2\n", 2 }, host = { (char *)"3\n", 2 };
	struct merged m = { 0 };
	static bool loaded;

	if (!loaded && merge_text(&base, &box, &host, "", "", 0, &m, NULL) >= 0)
		merged_release(&m);
	loaded = true;
}

int sides_merge(const struct sides *s, const char *box, struct merged *ret, struct err *err)
{
	_cleanup_free_ char *data = NULL;
	struct merge_job job = { s, box };
	struct merge_head head;
	size_t size = 0;
	int r;

	load_library();
	r = guard_run(merge_job, &job, GUARD_SECONDS, &data, &size);
	if (r >= 0 && size < sizeof head)
		r = -EIO;
	if (r < 0)
		return too_hard(err, r, "merge");
	memcpy(&head, data, sizeof head);
	memmove(data, data + sizeof head, size - sizeof head);
	*ret = (struct merged){ TAKE_PTR(data), size - sizeof head, head.conflicts, head.marker_size };
	return r == 1 && s->has_base;
}

/* ---- comparing ---- */

struct diff_job {
	const struct merge_side *old, *new;
};

static int diff_job(void *ctx, FILE *out)
{
	const struct diff_job *job = ctx;
	struct hunks *h = NULL;
	int r = hunks_new(job->old, job->new, CONTEXT, &h, NULL);

	for (size_t i = 0; r == 0 && i < hunks_count(h); i++) {
		char *text = NULL;
		size_t size = 0;

		r = hunks_text(h, i, &text, &size);
		if (r == 0)
			fwrite(text, 1, size, out);
		free(text);
	}
	return r;
}

int sides_diff(const struct merge_side *old, const struct merge_side *new, char **ret, size_t *ret_size, struct err *err)
{
	struct diff_job job = { old, new };
	int r = guard_run(diff_job, &job, GUARD_SECONDS, ret, ret_size);

	return r < 0 ? too_hard(err, r, "compare") : 0;
}

static int try_job(void *ctx, FILE *out)
{
	const struct diff_job *job = ctx;
	struct hunks *h = NULL;

	(void)out;
	return hunks_new(job->old, job->new, CONTEXT, &h, NULL);
}

int sides_can_diff(const struct merge_side *old, const struct merge_side *new, struct err *err)
{
	_cleanup_free_ char *nothing = NULL;
	struct diff_job job = { old, new };
	size_t size;
	int r = guard_run(try_job, &job, GUARD_SECONDS, &nothing, &size);

	return r < 0 ? too_hard(err, r, "compare") : 0;
}

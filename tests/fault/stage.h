/* stage.h - a host directory and a box with changes, made anew for each point at which something is to go wrong.
 *
 *     stage_find()                where: tmpfs when a store can be there, else $TMPDIR
 *     stage_make(s, scene)        the host's tree, the box, and all times in both set to fixed ones: each stage of a scene is like the others
 *     ... the test ...
 *     stage_clear(s)
 */
#ifndef COWBOX_TESTS_FAULT_STAGE_H
#define COWBOX_TESTS_FAULT_STAGE_H

#include "../unit/commit_world.h"

#include "base/sys.h"

enum scene_flags {
	SCENE_ROOT = 1,  /* SCENE_ROOT: has what only root can make */
	SCENE_PLAIN = 2, /* SCENE_PLAIN: can be committed where the file system cannot exchange names */
};

struct scene {
	const char *name;
	void (*host)(void);           /* host: makes the host's tree in the working directory */
	void (*box)(struct world *x); /* box: makes the changes */
	const char *const *discards;  /* discards: paths that `discard` is tried with, one after another; NULL-terminated */
	unsigned flags;
};
extern const struct scene scenes[]; /* the last has no name */
const struct scene *scene_find(const char *name);

/* Where stages are. apart: the store is on another file system than the host's tree. */
struct site {
	char base[PATH_MAX], store_base[PATH_MAX];
	bool apart;
};
/* Makes the directories of the site; uid: for whom. False, and why, where there is no room for it. */
bool site_open(struct site *site, bool apart, uid_t uid, char *ret_why, size_t size);
void site_close(struct site *site);

void stage_make(struct world *x, const struct site *site, const struct scene *scene);
/* Opens the store, the box and the overlay anew, as another process would. False: there is no such box. */
bool stage_open(struct world *x);
void stage_close(struct world *x);
void stage_clear(struct world *x, const struct site *site);
/* Takes the finished entries out of the history: they hold names of files that the host still has. Returns how many there were; ret_strays: how many
 * were not finished. */
size_t stage_drop_history(struct world *x, size_t *ret_strays);
bool stage_is_open(struct world *x);

/* ---- seal.c ---- */

/* The tree as text, a line an object: type, mode, owner, size, number of names, time of modification, which names are one file, attributes, link target,
 * content. free(3). */
char *seal_tree(const char *path);
/* How many lines are in one only; prints them where f is given. */
size_t seal_diff(FILE *f, const char *a_label, const char *a, const char *b_label, const char *b);

#endif

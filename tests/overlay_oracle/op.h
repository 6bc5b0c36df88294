/* op.h - one random operation: made from the plain tree's present state, complete in itself, so that a list of them can be
 * replayed, cut and thinned out.
 */
#ifndef ORACLE_OP_H
#define ORACLE_OP_H

#include <stdio.h>
#include "rng.h"
#include "side.h"

enum op_kind {
	OP_OPEN, OP_MKDIR, OP_MKNOD, OP_SYMLINK, OP_LINK, OP_UNLINK, OP_RMDIR, OP_RENAME, OP_STAT, OP_CHMOD, OP_CHOWN, OP_UTIMENS,
	OP_TRUNCATE, OP_SETXATTR, OP_REMOVEXATTR, OP_GETXATTR, OP_LISTXATTR, OP_READLINK, OP_ACCESS, OP_LIST, OP_LIST_CHANGING,
	OP_REMOVE_TREE, OP_TMPFILE, OP_LINK_FD, OP_HOLD, OP_HELD_STAT, OP_HELD_CHMOD, OP_HELD_UTIMENS, OP_HELD_WRITE, OP_HELD_DROP,
	OP_KINDS
};

#define OP_PATH 640

/* One operand: "@" at the start of path stands for the side's root; pad: the path is stretched with "./" to this length. */
struct operand {
	char base[304];
	char path[OP_PATH];
	unsigned pad;
};

struct op {
	enum op_kind kind;
	struct operand a, b;     /* a: the operand; b: link and rename, where to */
	char text[OP_PATH];      /* text: symlink target ("@" as above), xattr name */
	uint64_t flags;
	mode_t mode;
	mode_t umask;
	uid_t uid, gid;          /* of chown */
	long number;             /* number: size, offset, xattr size, held slot, which times */
	uint64_t seed;           /* seed: of the data written */
	bool follow;
	bool as_user;            /* as_user: done with the assumed user's rights */
};

struct op_options {
	bool root;               /* root: chown to others, device nodes, trusted attributes */
	bool no_directory_rename;
	bool no_held;
	bool no_sockets;         /* no_sockets: none is made */
	bool no_links;           /* no_links: of host files with several names none is made nor needed */
	uid_t as_uid;            /* as_uid: (uid_t)-1 for none */
	uid_t own_uid;
};

/* Makes the next operation from what the plain tree holds now. */
void op_make(struct op *op, struct rng *r, struct side *plain, const struct op_options *options);
/* False when the operation would leave the tree on its way (by "..", or a symlink), or name its root: it is left out then. */
bool op_stays_inside(const struct op *op, struct side *plain, const struct op_options *options);
/* Does it; writes what the caller sees to out, the first thing being the result or the errno's name. */
void op_run(const struct op *op, struct side *s, FILE *out);
/* The same into a string, which the caller frees. */
char *op_run_text(const struct op *op, struct side *s);
void op_print(FILE *f, const struct op *op);

/* The operand as the side's own path. buf: PATH_MAX + 64 bytes. */
const char *operand_path(const struct operand *o, const struct side *s, char *buf);

#endif

/* paint.h - the lines of a diff on a terminal. */
#ifndef COWBOX_COMMIT_PAINT_H
#define COWBOX_COMMIT_PAINT_H

#include <stddef.h>
#include <stdio.h>

enum paint { PAINT_NONE, PAINT_HEAD, PAINT_HUNK, PAINT_ADD, PAINT_DEL };
/* Writes one line, or part of one. flags: of enum diff_flags, DIFF_COLOR and DIFF_VISIBLE. */
void paint(FILE *out, unsigned flags, enum paint p, const char *text, size_t len);

#endif

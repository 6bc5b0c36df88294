/* inside.h - whether we are in a box ourselves. */
#ifndef COWBOX_CMD_INSIDE_H
#define COWBOX_CMD_INSIDE_H

#include <stdbool.h>

/* True when the walls of a box stand around this process; the environment alone is not believed. */
bool inside_box(void);
/* The name that the environment gives the box, "?" when it does not. */
const char *inside_name(void);

#endif

/* inside.h - whether we are in a box ourselves. */
#ifndef COWBOX_CMD_INSIDE_H
#define COWBOX_CMD_INSIDE_H

#include <stdbool.h>

/* True when the walls of a box stand around this process, whatever the environment says. */
bool inside_box(void);
/* Where this is: "inside box NAME", or "the inside of a box" when the environment does not give its name. */
#define INSIDE_NAME_MAX 128
const char *inside_name(char ret[static INSIDE_NAME_MAX]);

#endif

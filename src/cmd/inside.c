/* inside.c - whether we are in a box ourselves: boxes do not nest, and the store does not exist in the view. */
#include "inside.h"

#include <stdio.h>
#include <stdlib.h>

#include "trace/run.h"

const char *inside_name(char ret[static INSIDE_NAME_MAX])
{
	const char *name = getenv("COWBOX_BOX");

	/* The guest's environment is the guest's own. */
	if (name && *name && snprintf(ret, INSIDE_NAME_MAX, "inside box %s", name) < INSIDE_NAME_MAX)
		return ret;
	snprintf(ret, INSIDE_NAME_MAX, "the inside of a box");
	return ret;
}

bool inside_box(void)
{
	return trace_nested();
}

/* verbs.c - the table of verbs. */
#include "cmd.h"

const struct verb *const verbs[] = {
	&verb_run, &verb_status, &verb_diff, &verb_commit, &verb_undo, &verb_discard, &verb_list, &verb_log, &verb_doctor, &verb_help, NULL,
};

/* SPDX-License-Identifier: MIT */
/* cmd_changes.h - what the commands about changes share: the filter flags. Internal to the command line. */
#ifndef TOOLS_CLI_CMD_CHANGES_H
#define TOOLS_CLI_CMD_CHANGES_H

#include <omnigraph/changes.h>

#include "tools/cli/cmd.h"

/* --kind, --type, --op as the engine takes them. */
void filter_of(struct invocation *inv, struct change_filter *out);
/* One of them as a JSON member of a list, left out when it was not given. */
void filter_member(struct invocation *inv, struct json_writer *w, const char *flag);

#endif

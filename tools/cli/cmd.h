/* SPDX-License-Identifier: MIT */
/* cmd.h - what the commands share. */
#ifndef TOOLS_CLI_CMD_H
#define TOOLS_CLI_CMD_H

#include <omnigraph/graph.h>

#include "tools/cli/cli.h"

struct addressed {
	const char *uri;
	struct graph *g;
};

/* Resolve the address (positional or --uri in @uri, NULL when absent) and open the graph. graph_close(out->g) in every case. */
int open_addressed(struct invocation *inv, const char *uri, bool read_only, struct addressed *out, struct err *e);

#endif

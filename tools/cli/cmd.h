/* SPDX-License-Identifier: MIT */
/* cmd.h - what the commands share. */
#ifndef TOOLS_CLI_CMD_H
#define TOOLS_CLI_CMD_H

#include <omnigraph/cluster.h>
#include <omnigraph/graph.h>

#include "tools/cli/cli.h"

struct addressed {
	const char *uri;
	struct graph *g;
};

/* Resolve the address (positional or --uri in @uri, NULL when absent) and open the graph. graph_close(out->g) in every case. */
int open_addressed(struct invocation *inv, const char *uri, bool read_only, struct addressed *out, struct err *e);

/* cluster_watch.c: print the status whenever it changes, with @json one object a line. An exit status, once there is no reader. */
int watch_status(const struct cluster_args *args, bool json, unsigned interval_ms);
/* Of the flag's value (NULL: not given), within its bounds. */
unsigned watch_interval(const char *text);

#endif

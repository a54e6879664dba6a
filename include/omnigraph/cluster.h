/* SPDX-License-Identifier: MIT */
/*
 * cluster.h - the control plane: one function per command of `omnigraph cluster` (spec/cluster.md).
 *
 * Every command fills a report: the JSON object of section 17 and the human text of 17.9. A command that could not even start
 * (bad arguments) returns a negative errno and fills @e; everything else is in the report, `ok` included.
 * Threading: one command at a time per report; commands of several processes exclude each other by the cluster lock.
 */
#ifndef OMNIGRAPH_CLUSTER_H
#define OMNIGRAPH_CLUSTER_H

#include <omnigraph/err.h>
#include <omnigraph/log.h>
#include <omnigraph/str.h>

enum cluster_command {
	CLUSTER_VALIDATE,
	CLUSTER_PLAN,
	CLUSTER_APPLY,
	CLUSTER_APPROVE,
	CLUSTER_STATUS,
	CLUSTER_REFRESH,
	CLUSTER_IMPORT,
	CLUSTER_FORCE_UNLOCK
};

struct cluster_args {
	const char *config_dir; /* as given; "." by default */
	const char *actor;	/* apply, approve; NULL: none */
	const char *resource;	/* approve */
	const char *lock_id;	/* force-unlock */
	/*
	 * For a process that also exports graphs: whether an export of the graph at @root (path or s3:// URI) is streaming in it.
	 * apply then refuses to delete that graph. NULL: none ever is, as in the command line.
	 */
	bool (*exporting)(void *arg, const char *root);
	void *exporting_arg;
	struct logger *logger;
};

struct cluster_report {
	bool ok;
	bool retry_safe;    /* every error is state_cas_mismatch: exit status 75 (spec/cli.md 8.2) */
	struct strbuf json; /* pretty, one LF at the end */
	struct strbuf text;
};

int cluster_run(enum cluster_command cmd, const struct cluster_args *args, struct cluster_report *out, struct err *e);
void cluster_report_clear(struct cluster_report *r);

/* --- ledger-only look-ups (spec/cluster.md 18) ---------------------------------------------------- */

/* Storage URI of an applied graph. @graph NULL: the only one. Caller frees *uri. Messages are those of spec/cli.md 4.5. */
int cluster_graph_uri(const char *cluster, const char *graph, char **uri, struct err *e);
/* The cluster root that manages a graph URI of the form <root>/graphs/<id>.omni, or NULL in *root. Caller frees. */
int cluster_root_of(const char *graph_uri, char **root, struct err *e);

#endif

/* SPDX-License-Identifier: MIT */
#include "cluster/commands.h"

static int missing(struct err *e, const char *what)
{
	return err_set(e, ERR_BAD_REQUEST, "%s is required", what);
}

int cluster_run(enum cluster_command which, const struct cluster_args *args, struct cluster_report *out, struct err *e)
{
	struct command cmd = { .args = args, .out = out };

	*out = (struct cluster_report){ 0 };
	if (!args->config_dir)
		return missing(e, "a configuration directory");
	switch (which) {
	case CLUSTER_VALIDATE:
		command_validate(&cmd);
		break;
	case CLUSTER_PLAN:
		command_plan(&cmd);
		break;
	case CLUSTER_APPLY:
		command_apply(&cmd);
		break;
	case CLUSTER_APPROVE:
		if (!args->resource)
			return missing(e, "a resource address");
		if (!args->actor)
			return err_set(
				e, ERR_BAD_REQUEST,
				"`cluster approve` requires an approver: pass the global --as <ACTOR> flag or set "
				"`operator.actor` in ~/.omnigraph/config.yaml — an approval without an approver is "
				"meaningless");
		command_approve(&cmd);
		break;
	case CLUSTER_STATUS:
		command_status(&cmd);
		break;
	case CLUSTER_REFRESH:
		command_refresh(&cmd, false);
		break;
	case CLUSTER_IMPORT:
		command_refresh(&cmd, true);
		break;
	case CLUSTER_FORCE_UNLOCK:
		if (!args->lock_id)
			return missing(e, "a lock id");
		command_force_unlock(&cmd);
		break;
	}
	return 0;
}

void cluster_report_clear(struct cluster_report *r)
{
	sb_free(&r->json);
	sb_free(&r->text);
	*r = (struct cluster_report){ 0 };
}

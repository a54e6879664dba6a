/* SPDX-License-Identifier: MIT */
/* omnigraph cluster ...: reports on standard output, exit status from `ok`. */
#include "tools/cli/cmd.h"

static enum cluster_command which(const char *word)
{
	static const struct {
		const char *word;
		enum cluster_command cmd;
	} verbs[] = {
		{ "validate", CLUSTER_VALIDATE }, { "plan", CLUSTER_PLAN },
		{ "apply", CLUSTER_APPLY },	  { "approve", CLUSTER_APPROVE },
		{ "status", CLUSTER_STATUS },	  { "refresh", CLUSTER_REFRESH },
		{ "import", CLUSTER_IMPORT },	  { "force-unlock", CLUSTER_FORCE_UNLOCK },
	};
	size_t i = 0;

	while (strcmp(verbs[i].word, word))
		i++;
	return verbs[i].cmd;
}

int cmd_cluster(struct invocation *inv)
{
	enum cluster_command cmd = which(inv->cmd->sub);
	const char *dir = flag_value(inv, "config");
	struct cluster_args args = { .config_dir = dir ? dir : "." };
	struct cluster_report report = { 0 };
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;
	int status;

	if (cmd == CLUSTER_APPLY || cmd == CLUSTER_APPROVE)
		args.actor = scope_actor(inv);
	if (cmd == CLUSTER_APPROVE)
		args.resource = inv->pos[0];
	if (cmd == CLUSTER_FORCE_UNLOCK)
		args.lock_id = inv->pos[0];
	if (cmd == CLUSTER_STATUS && flag_given(inv, "watch"))
		return watch_status(&args, flag_given(inv, "json"), watch_interval(flag_value(inv, "interval-ms")));
	if (cluster_run(cmd, &args, &report, &e))
		return fail(&e, false);
	sb_adds(&out, sb_str(flag_given(inv, "json") ? &report.json : &report.text));
	status = report.ok ? EXIT_DONE : report.retry_safe ? EXIT_RETRY : EXIT_FAILED;
	cluster_report_clear(&report);
	if (out_text(&out))
		return EXIT_FAILED;
	return status;
}

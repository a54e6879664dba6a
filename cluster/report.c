/* SPDX-License-Identifier: MIT */
#include "cluster/report.h"

const char *new_ulid(struct arena *a)
{
	char id[ULID_LEN + 1];

	ulid_new(id);
	return arena_strdup(a, id);
}

const char *now_text(struct arena *a)
{
	char t[40];

	time_format_us(t, time_now_us(), 6);
	return arena_strdup(a, t);
}

void command_begin(struct command *cmd, bool header_only, bool read_only)
{
	struct err e = ERR_INIT;
	char *root;

	if (header_only)
		cluster_config_load(cmd->args->config_dir, &cmd->desired.cfg, &cmd->diags);
	else
		desired_load(cmd->args->config_dir, &cmd->desired, &cmd->diags);
	root = cluster_config_root(&cmd->desired.cfg);
	if (cluster_store_open(root, read_only, &cmd->cs, &e)) {
		diag_add(&cmd->diags, DIAG_ERROR, "storage_root_invalid", "storage",
			 "could not open the storage root '%s': %s", root, err_msg(&e));
		free(cmd->cs.root); /* what is shown then is the configuration directory */
		cmd->cs.root = path_absolute(cmd->args->config_dir);
	}
	free(root);
	err_clear(&e);
}

void command_end(struct command *cmd)
{
	lock_release(cmd);
	ledger_clear(&cmd->ledger);
	desired_clear(&cmd->desired);
	cluster_store_close(&cmd->cs);
	diag_free(&cmd->diags);
	arena_free(&cmd->arena);
}

void command_observe_ledger(struct command *cmd)
{
	cmd->obs.state_found = true;
	cmd->obs.config_digest = cmd->ledger.config_digest;
	cmd->obs.revision = cmd->ledger.revision;
	cmd->obs.resource_count = cmd->ledger.n_resources;
	strcpy(cmd->obs.cas, cmd->ledger.cas);
}

bool command_read_ledger(struct command *cmd)
{
	bool ok = ledger_read(&cmd->cs, &cmd->ledger, &cmd->diags);

	strcpy(cmd->expected_cas, cmd->ledger.cas);
	cmd->obs.state_found = cmd->ledger.found;
	strcpy(cmd->obs.cas, cmd->ledger.cas);
	if (ok && cmd->ledger.found)
		command_observe_ledger(cmd);
	return ok;
}

void report_begin(struct command *cmd, struct json_writer *w)
{
	jw_init(w, &cmd->out->json, true);
	jw_begin_object(w);
	jw_kbool(w, "ok", !command_failed(cmd));
}

static bool only_cas_mismatch(const struct diag_list *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->items[i].severity == DIAG_ERROR && strcmp(d->items[i].code, "state_cas_mismatch"))
			return false;
	return d->n_errors > 0;
}

void report_end(struct command *cmd, struct json_writer *w)
{
	jw_keyz(w, "diagnostics");
	diag_write_json(w, &cmd->diags);
	jw_end_object(w);
	sb_addch(&cmd->out->json, '\n');
	cmd->out->ok = !command_failed(cmd);
	cmd->out->retry_safe = only_cas_mismatch(&cmd->diags);
}

void report_text_end(struct command *cmd)
{
	diag_write_text(&cmd->out->text, &cmd->diags);
}

/* Seconds since a stored timestamp; false when it does not parse. */
static bool age_seconds(const char *created_at, int64_t *age)
{
	int64_t ms;

	if (!created_at || !datetime_parse_load(str_from(created_at), &ms))
		return false;
	*age = (time_now_ms() - ms) / 1000;
	if (*age < 0)
		*age = 0;
	return true;
}

void report_observations(const struct command *cmd, struct json_writer *w)
{
	const struct observations *o = &cmd->obs;
	struct arena a = ARENA_INIT;
	int64_t age;

	jw_keyz(w, "state_observations");
	jw_begin_object(w);
	jw_kstrz(w, "state_path", cluster_display(&cmd->cs, &a, KEY_STATE));
	jw_kstrz(w, "lock_path", cluster_display(&cmd->cs, &a, KEY_LOCK));
	jw_kbool(w, "state_found", o->state_found);
	if (o->config_digest)
		jw_kstrz(w, "applied_config_digest", o->config_digest);
	jw_ku64(w, "state_revision", o->revision);
	if (o->cas[0])
		jw_kstrz(w, "state_cas", o->cas);
	jw_ku64(w, "resource_count", o->resource_count);
	jw_kbool(w, "locked", o->locked);
	if (o->has_lock_info) {
		jw_kstrz(w, "lock_id", o->lock.id);
		jw_kstrz(w, "lock_operation", o->lock.operation);
		jw_kstrz(w, "lock_created_at", o->lock.created_at);
		jw_ku64(w, "lock_pid", o->lock.pid);
		if (age_seconds(o->lock.created_at, &age))
			jw_ki64(w, "lock_age_seconds", age);
	}
	jw_kbool(w, "lock_acquired", o->lock_acquired);
	if (o->acquired_id)
		jw_kstrz(w, "acquired_lock_id", o->acquired_id);
	jw_end_object(w);
	arena_free(&a);
}

void lock_summary(const struct observations *o, struct strbuf *out)
{
	int64_t age;

	sb_addf(out, "id=%s, operation=%s, pid=%llu, created_at=%s", o->lock.id, o->lock.operation,
		(unsigned long long)o->lock.pid, o->lock.created_at);
	if (age_seconds(o->lock.created_at, &age))
		sb_addf(out, ", age_seconds=%lld", (long long)age);
}

void report_desired_digests(const struct command *cmd, struct json_writer *w)
{
	jw_begin_object(w);
	for (size_t i = 0; i < cmd->desired.n; i++)
		jw_kstrz(w, cmd->desired.resources[i].address, cmd->desired.resources[i].digest);
	jw_end_object(w);
}

void report_dependencies(const struct command *cmd, struct json_writer *w)
{
	jw_keyz(w, "dependencies");
	jw_begin_array(w);
	for (size_t i = 0; i < cmd->desired.n_deps; i++) {
		jw_begin_object(w);
		jw_kstrz(w, "from", cmd->desired.deps[i].from);
		jw_kstrz(w, "to", cmd->desired.deps[i].to);
		jw_end_object(w);
	}
	jw_end_array(w);
}

void report_desired_revision(const struct command *cmd, struct json_writer *w)
{
	jw_keyz(w, "desired_revision");
	jw_begin_object(w);
	if (cmd->desired.config_digest[0])
		jw_kstrz(w, "config_digest", cmd->desired.config_digest);
	jw_end_object(w);
}

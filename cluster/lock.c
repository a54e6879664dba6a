/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <unistd.h>

#include "cluster/commands.h"

#define LOCK_BYTES_MAX 65536

enum lock_parse { LOCK_OK, LOCK_INVALID, LOCK_VERSION };

static bool known_operation(const struct json *v)
{
	static const char *const words[] = { "plan", "apply", "approve", "refresh", "import" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (v->type == JSON_STRING && str_eqz(v->text, words[i]))
			return true;
	return false;
}

/* Exactly five members (5.2). */
static enum lock_parse parse_lock(struct arena *a, struct str src, struct lock_info *out, const char **why)
{
	static const char *const keys[] = { "version", "lock_id", "operation", "created_at", "pid" };
	static const struct json_opts opts = { .reject_duplicates = true };
	struct err e = ERR_INIT;
	const struct json *m[5];
	struct json *v;
	uint64_t version;

	if (json_parse(a, src, &opts, &v, &e)) {
		*why = arena_strdup(a, err_msg(&e));
		err_clear(&e);
		return LOCK_INVALID;
	}
	for (size_t i = 0; i < 5; i++)
		m[i] = json_get_nonnull(v, keys[i]);
	if (m[0] && json_to_u64(m[0], &version) && version != 1) {
		*why = arena_printf(a, "lock version %llu is not supported", (unsigned long long)version);
		return LOCK_VERSION;
	}
	if (v->type != JSON_OBJECT || v->n != 5 || !m[0] || !m[1] || !m[2] || !m[3] || !m[4] ||
	    !json_to_u64(m[0], &version) || m[1]->type != JSON_STRING || !known_operation(m[2]) ||
	    m[3]->type != JSON_STRING || !json_to_u64(m[4], &out->pid) || out->pid > UINT32_MAX) {
		*why = "a lock has exactly the members version, lock_id, operation, created_at and pid";
		return LOCK_INVALID;
	}
	out->id = arena_str(a, m[1]->text).s;
	out->operation = arena_str(a, m[2]->text).s;
	out->created_at = arena_str(a, m[3]->text).s;
	return LOCK_OK;
}

/* The lock as stored. -ENOENT when there is none. */
static int read_lock(struct command *cmd, struct lock_info *out, enum lock_parse *how, const char **why)
{
	struct store_object obj = { 0 };
	struct err e = ERR_INIT;
	int rc = cluster_get(&cmd->cs, KEY_LOCK, LOCK_BYTES_MAX, &obj, &e);

	*out = (struct lock_info){ 0 };
	*why = NULL;
	if (rc) {
		*why = arena_strdup(&cmd->arena, err_msg(&e));
		err_clear(&e);
		return rc;
	}
	*how = parse_lock(&cmd->arena, (struct str){ obj.data, obj.n }, out, why);
	store_object_free(&obj);
	return 0;
}

static void report_holder(struct command *cmd)
{
	struct lock_info info;
	enum lock_parse how = LOCK_INVALID;
	const char *why;

	cmd->obs.locked = true;
	if (!read_lock(cmd, &info, &how, &why) && how == LOCK_OK) {
		cmd->obs.has_lock_info = true;
		cmd->obs.lock = info;
		diag_add(&cmd->diags, DIAG_ERROR, "state_lock_held", KEY_LOCK,
			 "cluster state lock already exists (lock id %s); run `omnigraph cluster force-unlock %s` only "
			 "after confirming no cluster operation is active",
			 info.id, info.id);
	} else {
		diag_add(&cmd->diags, DIAG_ERROR, "state_lock_held", KEY_LOCK,
			 "cluster state lock already exists; run `omnigraph cluster force-unlock` only after "
			 "confirming no "
			 "cluster operation is active");
	}
}

bool lock_acquire(struct command *cmd, const char *operation)
{
	struct strbuf b = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct json_writer w;
	const char *id;
	int rc;

	if (cmd->desired.cfg.has_lock && !cmd->desired.cfg.lock) {
		diag_add(&cmd->diags, DIAG_WARNING, "state_lock_disabled", "state.lock",
			 "state.lock is false: nothing stops another cluster command from running at the same time");
		return true;
	}
	id = new_ulid(&cmd->arena);
	jw_init(&w, &b, true);
	jw_begin_object(&w);
	jw_ku64(&w, "version", 1);
	jw_kstrz(&w, "lock_id", id);
	jw_kstrz(&w, "operation", operation);
	jw_kstrz(&w, "created_at", now_text(&cmd->arena));
	jw_ku64(&w, "pid", (uint64_t)getpid());
	jw_end_object(&w);
	rc = store_create(cmd->cs.s, KEY_LOCK, b.s, b.n, NULL, &e);
	sb_free(&b);
	if (rc == -EEXIST) {
		report_holder(cmd);
	} else if (rc) {
		diag_add(&cmd->diags, DIAG_ERROR, "state_lock_error", KEY_LOCK, "could not take the cluster lock: %s",
			 err_msg(&e));
	} else {
		cmd->lock_held = true;
		cmd->obs.lock_acquired = true;
		cmd->obs.acquired_id = id;
	}
	err_clear(&e);
	return !rc;
}

void lock_release(struct command *cmd)
{
	struct lock_info info;
	enum lock_parse how = LOCK_INVALID;
	const char *why;

	if (!cmd->lock_held)
		return;
	cmd->lock_held = false;
	if (!read_lock(cmd, &info, &how, &why) && how == LOCK_OK && !strcmp(info.id, cmd->obs.acquired_id))
		store_delete(cmd->cs.s, KEY_LOCK, NULL);
}

void lock_observe(struct command *cmd)
{
	struct lock_info info;
	enum lock_parse how = LOCK_INVALID;
	const char *why;
	int rc = read_lock(cmd, &info, &how, &why);

	if (rc == -ENOENT)
		return;
	if (rc) {
		diag_add(&cmd->diags, DIAG_WARNING, "state_lock_read_error", KEY_LOCK, "%s", why);
		return;
	}
	cmd->obs.locked = true;
	if (how == LOCK_OK) {
		cmd->obs.has_lock_info = true;
		cmd->obs.lock = info;
	} else {
		diag_add(&cmd->diags, DIAG_WARNING,
			 how == LOCK_VERSION ? "unsupported_state_lock_version" : "invalid_state_lock", KEY_LOCK, "%s",
			 why);
	}
}

/* --- force-unlock (6.3) ------------------------------------------------------------------------------ */

static bool remove_lock(struct command *cmd)
{
	const char *want = cmd->args->lock_id, *why;
	struct lock_info info;
	enum lock_parse how = LOCK_INVALID;
	struct err e = ERR_INIT;
	int rc = read_lock(cmd, &info, &how, &why);

	if (rc == -ENOENT) {
		diag_add(&cmd->diags, DIAG_ERROR, "state_lock_missing", KEY_LOCK, "there is no cluster lock to remove");
		return false;
	}
	if (rc) {
		diag_add(&cmd->diags, DIAG_ERROR, "state_lock_read_error", KEY_LOCK, "%s", why);
		return false;
	}
	cmd->obs.locked = true;
	if (how != LOCK_OK) {
		diag_add(&cmd->diags, DIAG_ERROR,
			 how == LOCK_VERSION ? "unsupported_state_lock_version" : "invalid_state_lock", KEY_LOCK,
			 "%s; inspect the file and remove it by hand", why);
		return false;
	}
	cmd->obs.has_lock_info = true;
	cmd->obs.lock = info;
	if (strcmp(info.id, want)) {
		diag_add(&cmd->diags, DIAG_ERROR, "state_lock_id_mismatch", KEY_LOCK,
			 "the cluster lock has id %s, not %s; nothing was removed", info.id, want);
		return false;
	}
	if (store_delete(cmd->cs.s, KEY_LOCK, &e)) {
		diag_add(&cmd->diags, DIAG_ERROR, "state_lock_error", KEY_LOCK, "could not remove the cluster lock: %s",
			 err_msg(&e));
		err_clear(&e);
		return false;
	}
	cmd->obs.locked = false;
	return true;
}

void command_force_unlock(struct command *cmd)
{
	struct strbuf *t = &cmd->out->text;
	struct json_writer w;
	bool removed = false;

	command_begin(cmd, true, false);
	if (!command_failed(cmd))
		removed = remove_lock(cmd);
	report_begin(cmd, &w);
	jw_kstrz(&w, "config_dir", cmd->args->config_dir);
	report_observations(cmd, &w);
	jw_kbool(&w, "lock_removed", removed);
	report_end(cmd, &w);
	if (removed) {
		sb_addz(t, "cluster force-unlock: removed lock (");
		lock_summary(&cmd->obs, t);
		sb_addz(t, ")\n");
	} else {
		sb_addz(t, "cluster force-unlock failed\n");
		if (cmd->obs.has_lock_info) {
			sb_addz(t, "  lock: held (");
			lock_summary(&cmd->obs, t);
			sb_addz(t, ")\n");
		}
	}
	report_text_end(cmd);
	command_end(cmd);
}

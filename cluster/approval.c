/* SPDX-License-Identifier: MIT */
#include "cluster/approval.h"

#include "cluster/artifact.h"

bool approval_write(const struct cluster_store *cs, struct arena *a, const struct approval *ap, struct diag_list *d)
{
	struct strbuf b = STRBUF_INIT;
	struct json_writer w;
	const char *why;

	jw_init(&w, &b, true);
	jw_begin_object(&w);
	jw_ku64(&w, "schema_version", 1);
	jw_kstrz(&w, "approval_id", ap->approval_id);
	jw_kstrz(&w, "resource", ap->resource);
	jw_kstrz(&w, "operation", ap->operation);
	jw_kstrz(&w, "reason", ap->reason);
	jw_kstrz(&w, "bound_config_digest", ap->bound_config_digest);
	jw_kstrz(&w, "bound_before_digest", ap->bound_before_digest);
	jw_kstrz(&w, "bound_after_digest", ap->bound_after_digest);
	jw_kstrz(&w, "approved_by", ap->approved_by);
	jw_kstrz(&w, "created_at", ap->created_at);
	jw_kstrz(&w, "consumed_at", ap->consumed_at);
	jw_kstrz(&w, "consumed_by_operation", ap->consumed_by);
	jw_end_object(&w);
	if (artifact_write(cs, arena_printf(a, KEY_APPROVALS "/%s.json", ap->approval_id), &b, &why, a))
		return true;
	diag_add(d, DIAG_ERROR, "approval_write_error", ap->location, "could not write the approval: %s", why);
	return false;
}

static void parse_approval(struct artifact *o, const char *location, void *out)
{
	struct approval *ap = out;
	static const char *const keys[] = { "schema_version",
					    "approval_id",
					    "resource",
					    "operation",
					    "reason",
					    "bound_config_digest",
					    "bound_before_digest",
					    "bound_after_digest",
					    "approved_by",
					    "created_at",
					    "consumed_at",
					    "consumed_by_operation",
					    NULL };

	*ap = (struct approval){ .location = location };
	artifact_known(o, keys);
	ap->approval_id = artifact_text(o, "approval_id", true);
	ap->resource = artifact_text(o, "resource", true);
	ap->operation = artifact_text(o, "operation", true);
	ap->reason = artifact_text(o, "reason", true);
	ap->bound_config_digest = artifact_text(o, "bound_config_digest", true);
	ap->bound_before_digest = artifact_text(o, "bound_before_digest", false);
	ap->bound_after_digest = artifact_text(o, "bound_after_digest", false);
	ap->approved_by = artifact_text(o, "approved_by", true);
	ap->created_at = artifact_text(o, "created_at", true);
	ap->consumed_at = artifact_text(o, "consumed_at", false);
	ap->consumed_by = artifact_text(o, "consumed_by_operation", false);
}

static const struct artifact_kind approvals = {
	.directory = KEY_APPROVALS,
	.read_error = "approval_read_error",
	.unsupported = "unsupported_approval_version",
	.invalid = "invalid_approval_artifact",
	.size = sizeof(struct approval),
	.parse = parse_approval,
};

size_t approval_list(const struct cluster_store *cs, struct arena *a, struct diag_list *d, struct approval **out)
{
	size_t n;

	*out = artifact_list(cs, a, &approvals, DIAG_WARNING, d, &n);
	return n;
}

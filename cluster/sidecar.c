/* SPDX-License-Identifier: MIT */
#include "cluster/sidecar.h"

#include "cluster/artifact.h"

static const char *const kind_words[] = { "graph_create", "schema_apply", "graph_delete" };

const char *sidecar_kind_word(enum sidecar_kind k)
{
	return kind_words[k];
}

static void knull_or_u64(struct json_writer *w, const char *key, bool has, uint64_t v)
{
	if (has)
		jw_ku64(w, key, v);
	else
		jw_knull(w, key);
}

bool sidecar_write(const struct cluster_store *cs, struct arena *a, const struct sidecar *s, struct diag_list *d)
{
	struct strbuf b = STRBUF_INIT;
	struct json_writer w;
	const char *why;

	jw_init(&w, &b, true);
	jw_begin_object(&w);
	jw_ku64(&w, "schema_version", 1);
	jw_kstrz(&w, "operation_id", s->operation_id);
	jw_kstrz(&w, "started_at", s->started_at);
	jw_kstrz(&w, "actor", s->actor);
	jw_kstrz(&w, "kind", kind_words[s->kind]);
	jw_kstrz(&w, "graph_id", s->graph_id);
	jw_kstrz(&w, "graph_uri", s->graph_uri);
	knull_or_u64(&w, "observed_manifest_version", s->has_observed, s->observed_version);
	knull_or_u64(&w, "expected_manifest_version", s->has_expected, s->expected_version);
	jw_kstrz(&w, "desired_schema_digest", s->desired_schema_digest);
	jw_kstrz(&w, "state_cas_base", s->state_cas_base);
	jw_kstrz(&w, "approval_id", s->approval_id);
	jw_end_object(&w);
	if (artifact_write(cs, arena_printf(a, KEY_RECOVERIES "/%s.json", s->operation_id), &b, &why, a))
		return true;
	diag_add(d, DIAG_ERROR, "recovery_sidecar_write_error", s->location, "could not write the recovery sidecar: %s",
		 why);
	return false;
}

static void parse_sidecar(struct artifact *o, const char *location, void *out)
{
	struct sidecar *s = out;
	static const char *const keys[] = { "schema_version",
					    "operation_id",
					    "started_at",
					    "actor",
					    "kind",
					    "graph_id",
					    "graph_uri",
					    "observed_manifest_version",
					    "expected_manifest_version",
					    "desired_schema_digest",
					    "state_cas_base",
					    "approval_id",
					    NULL };
	const char *kind;
	size_t k = 0;

	*s = (struct sidecar){ .location = location };
	artifact_known(o, keys);
	s->operation_id = artifact_text(o, "operation_id", true);
	s->started_at = artifact_text(o, "started_at", true);
	s->actor = artifact_text(o, "actor", false);
	kind = artifact_text(o, "kind", true);
	s->graph_id = artifact_text(o, "graph_id", true);
	s->graph_uri = artifact_text(o, "graph_uri", true);
	s->has_observed = artifact_number(o, "observed_manifest_version", &s->observed_version);
	s->has_expected = artifact_number(o, "expected_manifest_version", &s->expected_version);
	s->desired_schema_digest = artifact_text(o, "desired_schema_digest", true);
	s->state_cas_base = artifact_text(o, "state_cas_base", false);
	s->approval_id = artifact_text(o, "approval_id", false);
	while (kind && k < ARRAY_SIZE(kind_words) && strcmp(kind, kind_words[k]))
		k++;
	if (kind && k == ARRAY_SIZE(kind_words) && !o->why)
		o->why = arena_printf(o->a, "unknown kind `%s`", kind);
	s->kind = (enum sidecar_kind)k;
}

static const struct artifact_kind sidecars = {
	.directory = KEY_RECOVERIES,
	.read_error = "recovery_sidecar_read_error",
	.unsupported = "unsupported_recovery_sidecar_version",
	.invalid = "invalid_recovery_sidecar",
	.size = sizeof(struct sidecar),
	.parse = parse_sidecar,
};

size_t sidecar_list(const struct cluster_store *cs, struct arena *a, enum diag_severity severity, struct diag_list *d,
		    struct sidecar **out)
{
	size_t n;

	*out = artifact_list(cs, a, &sidecars, severity, d, &n);
	return n;
}

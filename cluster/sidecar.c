/* SPDX-License-Identifier: MIT */
#include "cluster/sidecar.h"

#include <errno.h>
#include <sys/stat.h>

#include <omnigraph/json.h>

#define ARTIFACT_BYTES_MAX (1u << 20)
#define ARTIFACTS_MAX 100000

static const char *const kind_words[] = { "graph_create", "schema_apply", "graph_delete" };

const char *sidecar_kind_word(enum sidecar_kind k)
{
	return kind_words[k];
}

/* --- listing JSON objects of one directory ----------------------------------------------------------- */

struct names {
	struct arena *a;
	const char **keys;
	size_t n, cap;
};

static int keep_json(void *arg, const char *key, const struct store_stat *st)
{
	struct names *names = arg;

	if (!str_ends(str_from(key), STR(".json")) || names->n >= ARTIFACTS_MAX)
		return 0;
	MEM_GROW(names->keys, names->n, names->cap);
	names->keys[names->n++] = arena_strdup(names->a, key);
	return 0;
}

static bool list_json(const struct cluster_store *cs, struct arena *a, const char *prefix, struct names *out,
		      const char **why)
{
	const char *dir = cluster_display(cs, a, prefix);
	struct err e = ERR_INIT;
	struct stat st;
	int rc;

	*out = (struct names){ .a = a };
	if (cs->local && !stat(dir, &st) && !S_ISDIR(st.st_mode))
		rc = err_set(&e, ERR_STORAGE, "cannot list %s: it is not a directory", dir);
	else
		rc = store_list(cs->s, prefix, NULL, false, keep_json, out, &e);
	if (rc)
		*why = arena_strdup(a, err_msg(&e));
	err_clear(&e);
	return !rc;
}

/* --- strict members ---------------------------------------------------------------------------------- */

struct object {
	struct arena *a;
	const struct json *v;
	const char *why; /* NULL while all is well */
};

static const char *member(struct object *o, const char *name, bool required)
{
	const struct json *m = json_get_nonnull(o->v, name);

	if (m && m->type == JSON_STRING)
		return arena_str(o->a, m->text).s;
	if ((m || required) && !o->why)
		o->why = arena_printf(o->a, "member `%s` is missing or not a string", name);
	return NULL;
}

static bool number(struct object *o, const char *name, uint64_t *out)
{
	const struct json *m = json_get_nonnull(o->v, name);

	if (!m)
		return false;
	if (!json_to_u64(m, out) && !o->why)
		o->why = arena_printf(o->a, "member `%s` is not an unsigned integer", name);
	return true;
}

static void known(struct object *o, const char *const *keys)
{
	for (size_t i = 0; i < o->v->n; i++) {
		size_t k = 0;

		while (keys[k] && !str_eqz(o->v->keys[i], keys[k]))
			k++;
		if (!keys[k] && !o->why)
			o->why = arena_printf(o->a, "unknown member `%.*s`", STR_ARG(o->v->keys[i]));
	}
}

enum read_result { READ_OK, READ_INVALID, READ_VERSION };

/* Fetch one artifact and check its version before its members. */
static enum read_result open_object(const struct cluster_store *cs, struct arena *a, const char *key, struct object *o)
{
	static const struct json_opts opts = { .reject_duplicates = true };
	struct store_object obj = { 0 };
	struct err e = ERR_INIT;
	uint64_t version = 0;
	struct json *v;

	*o = (struct object){ .a = a };
	if (cluster_get(cs, key, ARTIFACT_BYTES_MAX, &obj, &e) ||
	    json_parse(a, arena_str(a, (struct str){ obj.data, obj.n }), &opts, &v, &e)) {
		o->why = arena_strdup(a, err_msg(&e));
	} else if (v->type != JSON_OBJECT) {
		o->why = "not a JSON object";
	} else {
		o->v = v;
		if (!number(o, "schema_version", &version) && !o->why)
			o->why = "member `schema_version` is missing";
	}
	store_object_free(&obj);
	err_clear(&e);
	if (o->why)
		return READ_INVALID;
	if (version != 1) {
		o->why = arena_printf(a, "schema_version %llu is not supported (this omnigraph reads 1)",
				      (unsigned long long)version);
		return READ_VERSION;
	}
	return READ_OK;
}

/* --- sidecars ---------------------------------------------------------------------------------------- */

static void knull_or_str(struct json_writer *w, const char *key, const char *v)
{
	jw_kstrz(w, key, v); /* NULL writes null */
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
	struct err e = ERR_INIT;
	struct json_writer w;
	int rc;

	jw_init(&w, &b, true);
	jw_begin_object(&w);
	jw_ku64(&w, "schema_version", 1);
	jw_kstrz(&w, "operation_id", s->operation_id);
	jw_kstrz(&w, "started_at", s->started_at);
	knull_or_str(&w, "actor", s->actor);
	jw_kstrz(&w, "kind", kind_words[s->kind]);
	jw_kstrz(&w, "graph_id", s->graph_id);
	jw_kstrz(&w, "graph_uri", s->graph_uri);
	knull_or_u64(&w, "observed_manifest_version", s->has_observed, s->observed_version);
	knull_or_u64(&w, "expected_manifest_version", s->has_expected, s->expected_version);
	jw_kstrz(&w, "desired_schema_digest", s->desired_schema_digest);
	knull_or_str(&w, "state_cas_base", s->state_cas_base);
	knull_or_str(&w, "approval_id", s->approval_id);
	jw_end_object(&w);
	sb_addch(&b, '\n');
	rc = store_put(cs->s, arena_printf(a, KEY_RECOVERIES "/%s.json", s->operation_id), b.s, b.n, &e);
	if (rc)
		diag_add(d, DIAG_ERROR, "recovery_sidecar_write_error", s->location,
			 "could not write the recovery sidecar: %s", err_msg(&e));
	sb_free(&b);
	err_clear(&e);
	return !rc;
}

static void parse_sidecar(struct object *o, struct sidecar *s)
{
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

	known(o, keys);
	s->operation_id = member(o, "operation_id", true);
	s->started_at = member(o, "started_at", true);
	s->actor = member(o, "actor", false);
	kind = member(o, "kind", true);
	s->graph_id = member(o, "graph_id", true);
	s->graph_uri = member(o, "graph_uri", true);
	s->has_observed = number(o, "observed_manifest_version", &s->observed_version);
	s->has_expected = number(o, "expected_manifest_version", &s->expected_version);
	s->desired_schema_digest = member(o, "desired_schema_digest", true);
	s->state_cas_base = member(o, "state_cas_base", false);
	s->approval_id = member(o, "approval_id", false);
	while (kind && k < ARRAY_SIZE(kind_words) && strcmp(kind, kind_words[k]))
		k++;
	if (kind && k == ARRAY_SIZE(kind_words) && !o->why)
		o->why = arena_printf(o->a, "unknown kind `%s`", kind);
	s->kind = (enum sidecar_kind)k;
}

size_t sidecar_list(const struct cluster_store *cs, struct arena *a, enum diag_severity severity, struct diag_list *d,
		    struct sidecar **out)
{
	const char *why = NULL;
	struct names names;
	size_t n = 0;

	*out = NULL;
	if (!list_json(cs, a, KEY_RECOVERIES, &names, &why)) {
		diag_add(d, severity, "recovery_sidecar_read_error", KEY_RECOVERIES, "%s", why);
		free(names.keys);
		return 0;
	}
	*out = arena_array(a, struct sidecar, names.n + 1);
	for (size_t i = 0; i < names.n; i++) {
		struct sidecar *s = &(*out)[n];
		struct object o;
		enum read_result r = open_object(cs, a, names.keys[i], &o);

		*s = (struct sidecar){ .location = cluster_display(cs, a, names.keys[i]) };
		if (r == READ_OK)
			parse_sidecar(&o, s);
		if (!o.why)
			n++;
		else
			diag_add(d, severity,
				 r == READ_VERSION ? "unsupported_recovery_sidecar_version"
						   : "invalid_recovery_sidecar",
				 s->location, "%s; it was left in place", o.why);
	}
	free(names.keys);
	return n;
}

/* --- approvals --------------------------------------------------------------------------------------- */

bool approval_write(const struct cluster_store *cs, struct arena *a, const struct approval *ap, struct diag_list *d)
{
	struct strbuf b = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct json_writer w;
	int rc;

	jw_init(&w, &b, true);
	jw_begin_object(&w);
	jw_ku64(&w, "schema_version", 1);
	jw_kstrz(&w, "approval_id", ap->approval_id);
	jw_kstrz(&w, "resource", ap->resource);
	jw_kstrz(&w, "operation", ap->operation);
	jw_kstrz(&w, "reason", ap->reason);
	jw_kstrz(&w, "bound_config_digest", ap->bound_config_digest);
	knull_or_str(&w, "bound_before_digest", ap->bound_before_digest);
	knull_or_str(&w, "bound_after_digest", ap->bound_after_digest);
	jw_kstrz(&w, "approved_by", ap->approved_by);
	jw_kstrz(&w, "created_at", ap->created_at);
	knull_or_str(&w, "consumed_at", ap->consumed_at);
	knull_or_str(&w, "consumed_by_operation", ap->consumed_by);
	jw_end_object(&w);
	sb_addch(&b, '\n');
	rc = store_put(cs->s, arena_printf(a, KEY_APPROVALS "/%s.json", ap->approval_id), b.s, b.n, &e);
	if (rc)
		diag_add(d, DIAG_ERROR, "approval_write_error", ap->location, "could not write the approval: %s",
			 err_msg(&e));
	sb_free(&b);
	err_clear(&e);
	return !rc;
}

static void parse_approval(struct object *o, struct approval *ap)
{
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

	known(o, keys);
	ap->approval_id = member(o, "approval_id", true);
	ap->resource = member(o, "resource", true);
	ap->operation = member(o, "operation", true);
	ap->reason = member(o, "reason", true);
	ap->bound_config_digest = member(o, "bound_config_digest", true);
	ap->bound_before_digest = member(o, "bound_before_digest", false);
	ap->bound_after_digest = member(o, "bound_after_digest", false);
	ap->approved_by = member(o, "approved_by", true);
	ap->created_at = member(o, "created_at", true);
	ap->consumed_at = member(o, "consumed_at", false);
	ap->consumed_by = member(o, "consumed_by_operation", false);
}

size_t approval_list(const struct cluster_store *cs, struct arena *a, struct diag_list *d, struct approval **out)
{
	const char *why = NULL;
	struct names names;
	size_t n = 0;

	*out = NULL;
	if (!list_json(cs, a, KEY_APPROVALS, &names, &why)) {
		diag_add(d, DIAG_WARNING, "approval_read_error", KEY_APPROVALS, "%s", why);
		free(names.keys);
		return 0;
	}
	*out = arena_array(a, struct approval, names.n + 1);
	for (size_t i = 0; i < names.n; i++) {
		struct approval *ap = &(*out)[n];
		struct object o;
		enum read_result r = open_object(cs, a, names.keys[i], &o);

		*ap = (struct approval){ .location = cluster_display(cs, a, names.keys[i]) };
		if (r == READ_OK)
			parse_approval(&o, ap);
		if (!o.why)
			n++;
		else
			diag_add(d, DIAG_WARNING,
				 r == READ_VERSION ? "unsupported_approval_version" : "invalid_approval_artifact",
				 ap->location, "%s; it was left in place", o.why);
	}
	free(names.keys);
	return n;
}

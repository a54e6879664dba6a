/* SPDX-License-Identifier: MIT */
#include "cluster/ledger.h"

#include <errno.h>

#include <omnigraph/failpoint.h>
#include <omnigraph/limits.h>

/* --- sorted arrays ---------------------------------------------------------------------------------- */

/* Position of @key among @n elements of @size bytes whose first member is the key; *found tells whether it is there. */
static size_t position(const void *items, size_t n, size_t size, const char *key, bool *found)
{
	size_t lo = 0, hi = n;

	*found = false;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = strcmp(*(const char *const *)((const char *)items + mid * size), key);

		if (!c) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Open a gap for one element at @pos. The caller has made room. */
static void *open_gap(void *items, size_t *n, size_t size, size_t pos)
{
	char *at = (char *)items + pos * size;

	memmove(at + size, at, (*n - pos) * size);
	memset(at, 0, size);
	(*n)++;
	return at;
}

static void close_gap(void *items, size_t *n, size_t size, size_t pos)
{
	char *at = (char *)items + pos * size;

	memmove(at, at + size, (*n - pos - 1) * size);
	(*n)--;
}

struct ledger_resource *ledger_find(const struct ledger *l, const char *address)
{
	bool found;
	size_t i = position(l->resources, l->n_resources, sizeof(*l->resources), address, &found);

	return found ? &l->resources[i] : NULL;
}

struct ledger_resource *ledger_put(struct ledger *l, const char *address)
{
	bool found;
	size_t i = position(l->resources, l->n_resources, sizeof(*l->resources), address, &found);
	struct ledger_resource *r;

	if (found)
		return &l->resources[i];
	MEM_GROW(l->resources, l->n_resources, l->cap_resources);
	r = open_gap(l->resources, &l->n_resources, sizeof(*r), i);
	r->address = arena_strdup(&l->arena, address);
	return r;
}

void ledger_remove(struct ledger *l, const char *address)
{
	bool found;
	size_t i = position(l->resources, l->n_resources, sizeof(*l->resources), address, &found);

	if (found)
		close_gap(l->resources, &l->n_resources, sizeof(*l->resources), i);
}

const char *ledger_digest(const struct ledger *l, const char *address)
{
	const struct ledger_resource *r = ledger_find(l, address);

	return r ? r->digest : NULL;
}

static struct ledger_status *status_put(struct ledger *l, const char *address)
{
	bool found;
	size_t i = position(l->statuses, l->n_statuses, sizeof(*l->statuses), address, &found);
	struct ledger_status *s;

	if (found)
		return &l->statuses[i];
	MEM_GROW(l->statuses, l->n_statuses, l->cap_statuses);
	s = open_gap(l->statuses, &l->n_statuses, sizeof(*s), i);
	s->address = arena_strdup(&l->arena, address);
	return s;
}

void ledger_status_set(struct ledger *l, const char *address, const char *status, const char *condition,
		       const char *message)
{
	struct ledger_status *s = status_put(l, address);

	s->status = arena_strdup(&l->arena, status);
	s->message = message ? arena_strdup(&l->arena, message) : NULL;
	s->n_conditions = condition ? 1 : 0;
	s->conditions = NULL;
	if (condition) {
		s->conditions = arena_array(&l->arena, const char *, 1);
		s->conditions[0] = arena_strdup(&l->arena, condition);
	}
}

void ledger_status_remove(struct ledger *l, const char *address)
{
	bool found;
	size_t i = position(l->statuses, l->n_statuses, sizeof(*l->statuses), address, &found);

	if (found)
		close_gap(l->statuses, &l->n_statuses, sizeof(*l->statuses), i);
}

void record_put(struct ledger *l, struct record_map *m, const char *key, struct str json)
{
	bool found;
	size_t i = position(m->items, m->n, sizeof(*m->items), key, &found);
	struct ledger_record *r;

	if (!found) {
		MEM_GROW(m->items, m->n, m->cap);
		r = open_gap(m->items, &m->n, sizeof(*r), i);
		r->key = arena_strdup(&l->arena, key);
	} else {
		r = &m->items[i];
	}
	r->json = arena_str(&l->arena, json);
}

const struct ledger_record *record_find(const struct record_map *m, const char *key)
{
	bool found;
	size_t i = position(m->items, m->n, sizeof(*m->items), key, &found);

	return found ? &m->items[i] : NULL;
}

/* --- reading ---------------------------------------------------------------------------------------- */

struct reader {
	struct ledger *l;
	struct strbuf why; /* "" while all is well */
};

static void refuse(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void refuse(struct reader *r, const char *fmt, ...)
{
	va_list ap;

	if (r->why.n)
		return;
	va_start(ap, fmt);
	sb_addv(&r->why, fmt, ap);
	va_end(ap);
}

static const char *text(struct reader *r, const struct json *v, const char *path)
{
	if (v && v->type == JSON_STRING)
		return arena_str(&r->l->arena, v->text).s;
	refuse(r, "%s: expected a string, got %s", path, v ? json_kind(v) : "nothing");
	return "";
}

static const char *optional_text(struct reader *r, const struct json *v, const char *path)
{
	return !v || v->type == JSON_NULL ? NULL : text(r, v, path);
}

static const char **text_list(struct reader *r, const struct json *v, const char *path, size_t *n)
{
	const char **out;

	*n = 0;
	if (v->type != JSON_ARRAY) {
		refuse(r, "%s: expected a list, got %s", path, json_kind(v));
		return NULL;
	}
	out = arena_array(&r->l->arena, const char *, v->n + 1);
	for (size_t i = 0; i < v->n; i++)
		out[i] = text(r, &v->items[i], path);
	*n = v->n;
	return out;
}

static void known(struct reader *r, const struct json *obj, const char *path, const char *const *keys)
{
	if (obj->type != JSON_OBJECT) {
		refuse(r, "%s: expected an object, got %s", path, json_kind(obj));
		return;
	}
	for (size_t i = 0; i < obj->n; i++) {
		size_t k = 0;

		while (keys[k] && !str_eqz(obj->keys[i], keys[k]))
			k++;
		if (!keys[k])
			refuse(r, "%s: unknown field `%.*s`", path, STR_ARG(obj->keys[i]));
	}
}

static const struct cfg_provider *read_profile(struct reader *r, const struct json *v, const char *path)
{
	static const char *const keys[] = { "kind", "base_url", "model", "api_key", NULL };
	struct cfg_provider *p = arena_new(&r->l->arena, struct cfg_provider);

	known(r, v, path, keys);
	p->kind = optional_text(r, json_get(v, "kind"), path);
	p->base_url = optional_text(r, json_get(v, "base_url"), path);
	p->model = optional_text(r, json_get(v, "model"), path);
	p->api_key = optional_text(r, json_get(v, "api_key"), path);
	return p;
}

static const char *read_blob_policy(struct reader *r, const struct json *v, const char *path)
{
	static const char *const keys[] = { "mode", "bases", NULL };
	static const char *const base_keys[] = { "uri", "scope", NULL };
	const struct json *bases;
	struct strbuf b = STRBUF_INIT;
	const char *out, *mode;
	struct json_writer w;

	known(r, v, path, keys);
	mode = text(r, json_get(v, "mode"), path);
	bases = json_get(v, "bases");
	if (strcmp(mode, "allow") || !bases || bases->type != JSON_ARRAY)
		refuse(r, "%s: an external blob policy is `mode: allow` with a list of bases", path);
	if (r->why.n)
		return NULL;
	jw_init(&w, &b, false);
	jw_begin_object(&w);
	jw_kstrz(&w, "mode", mode);
	jw_keyz(&w, "bases");
	jw_begin_array(&w);
	for (size_t i = 0; i < bases->n; i++) {
		known(r, &bases->items[i], path, base_keys);
		jw_begin_object(&w);
		jw_kstrz(&w, "uri", text(r, json_get(&bases->items[i], "uri"), path));
		jw_kstrz(&w, "scope", text(r, json_get(&bases->items[i], "scope"), path));
		jw_end_object(&w);
	}
	jw_end_array(&w);
	jw_end_object(&w);
	out = arena_str(&r->l->arena, sb_str(&b)).s;
	sb_free(&b);
	return out;
}

static void read_resource(struct reader *r, struct str key, const struct json *v)
{
	static const char *const keys[] = {
		"digest", "applies_to", "embedding_provider", "embedding_profile", "external_blob_policy", NULL
	};
	const char *address = arena_str(&r->l->arena, key).s;
	const char *path = arena_printf(&r->l->arena, "applied_revision.resources.%s", address);
	const struct json *m;
	struct ledger_resource *res;

	known(r, v, path, keys);
	if (r->why.n)
		return;
	res = ledger_put(r->l, address);
	res->digest = text(r, json_get(v, "digest"), path);
	m = json_get_nonnull(v, "applies_to");
	if (m) {
		res->has_bindings = true;
		res->bindings = text_list(r, m, path, &res->n_bindings);
	}
	res->provider = optional_text(r, json_get(v, "embedding_provider"), path);
	m = json_get_nonnull(v, "embedding_profile");
	if (m)
		res->profile = read_profile(r, m, path);
	m = json_get_nonnull(v, "external_blob_policy");
	if (m)
		res->blob_policy = read_blob_policy(r, m, path);
}

static void read_status(struct reader *r, struct str key, const struct json *v)
{
	static const char *const keys[] = { "status", "conditions", "message", NULL };
	static const char *const words[] = { "pending", "planned", "applying", "applied",
					     "drifted", "blocked", "error",    NULL };
	const char *address = arena_str(&r->l->arena, key).s;
	const char *path = arena_printf(&r->l->arena, "resource_statuses.%s", address);
	const struct json *c;
	struct ledger_status *s;
	size_t k = 0;

	known(r, v, path, keys);
	if (r->why.n)
		return;
	s = status_put(r->l, address);
	s->status = text(r, json_get(v, "status"), path);
	while (words[k] && strcmp(words[k], s->status))
		k++;
	if (!words[k])
		refuse(r, "%s: unknown status `%s`", path, s->status);
	s->message = optional_text(r, json_get(v, "message"), path);
	c = json_get_nonnull(v, "conditions");
	if (c)
		s->conditions = text_list(r, c, path, &s->n_conditions);
}

static void read_records(struct reader *r, const struct json *v, const char *path, struct record_map *m)
{
	if (!v)
		return;
	if (v->type != JSON_OBJECT) {
		refuse(r, "%s: expected an object, got %s", path, json_kind(v));
		return;
	}
	for (size_t i = 0; i < v->n; i++) {
		struct strbuf b = STRBUF_INIT;

		json_compact(&b, &v->items[i]);
		record_put(r->l, m, arena_str(&r->l->arena, v->keys[i]).s, sb_str(&b));
		sb_free(&b);
	}
}

static void read_members(struct reader *r, const struct json *root)
{
	static const char *const keys[] = { "version",		"state_revision",
					    "applied_revision", "resource_statuses",
					    "approval_records", "recovery_records",
					    "observations",	NULL };
	static const char *const applied[] = { "config_digest", "resources", NULL };
	const struct json *a, *m;

	known(r, root, "state", keys);
	m = json_get(root, "state_revision");
	if (m && !json_to_u64(m, &r->l->revision))
		refuse(r, "state_revision: expected an unsigned integer");
	a = json_get(root, "applied_revision");
	if (!a) {
		refuse(r, "missing field `applied_revision`");
		return;
	}
	known(r, a, "applied_revision", applied);
	if (r->why.n)
		return;
	r->l->config_digest = optional_text(r, json_get(a, "config_digest"), "applied_revision.config_digest");
	m = json_get(a, "resources");
	if (m && m->type != JSON_OBJECT)
		refuse(r, "applied_revision.resources: expected an object, got %s", json_kind(m));
	for (size_t i = 0; !r->why.n && m && i < m->n; i++)
		read_resource(r, m->keys[i], &m->items[i]);
	m = json_get(root, "resource_statuses");
	if (m && m->type != JSON_OBJECT)
		refuse(r, "resource_statuses: expected an object, got %s", json_kind(m));
	for (size_t i = 0; !r->why.n && m && i < m->n; i++)
		read_status(r, m->keys[i], &m->items[i]);
	read_records(r, json_get(root, "approval_records"), "approval_records", &r->l->approvals);
	read_records(r, json_get(root, "recovery_records"), "recovery_records", &r->l->recoveries);
	read_records(r, json_get(root, "observations"), "observations", &r->l->observations);
}

/* Old observations call the graph version `manifest_version` (5.1). */
static bool canonical_observations(struct ledger *l, struct diag_list *d)
{
	for (size_t i = 0; i < l->observations.n; i++) {
		struct ledger_record *rec = &l->observations.items[i];
		const struct json *old, *now;
		struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
		struct json_writer w;
		struct json *v;
		bool same;

		if (json_parse(&l->arena, rec->json, NULL, &v, NULL) || v->type != JSON_OBJECT)
			continue;
		old = json_get(v, "manifest_version");
		if (!old)
			continue;
		now = json_get(v, "graph_manifest_version");
		json_compact(&a, old);
		if (now)
			json_compact(&b, now);
		same = !now || str_eq(sb_str(&a), sb_str(&b));
		sb_free(&a);
		sb_reset(&b);
		if (!same) {
			diag_add(d, DIAG_ERROR, "conflicting_graph_manifest_observation",
				 arena_printf(&l->arena, "state.observations.%s", rec->key),
				 "manifest_version and graph_manifest_version differ; remove the wrong one");
			sb_free(&b);
			return false;
		}
		jw_init(&w, &b, false);
		jw_begin_object(&w);
		for (size_t k = 0; k < v->n; k++) {
			bool is_old = str_eqz(v->keys[k], "manifest_version");

			if (is_old && now)
				continue;
			jw_key(&w, is_old ? STR("graph_manifest_version") : v->keys[k]);
			jw_value(&w, &v->items[k]);
		}
		jw_end_object(&w);
		rec->json = arena_str(&l->arena, sb_str(&b));
		sb_free(&b);
	}
	return true;
}

static void set_cas(struct ledger *l, const void *data, size_t n)
{
	memcpy(l->cas, "sha256:", 7);
	sha256_hex(data, n, l->cas + 7);
}

static bool decode(struct ledger *l, struct str src, struct diag_list *d)
{
	static const struct json_opts opts = { .reject_duplicates = true };
	struct reader r = { .l = l };
	struct err e = ERR_INIT;
	const struct json *v;
	struct json *root;
	uint64_t version;
	bool ok = false;

	if (json_parse(&l->arena, src, &opts, &root, &e)) {
		refuse(&r, "%s", err_msg(&e));
	} else {
		v = json_get(root, "version");
		if (!v || !json_to_u64(v, &version)) {
			refuse(&r, "missing field `version` or not an unsigned integer");
		} else if (version != 1) { /* before the members: a later version may have others */
			diag_add(d, DIAG_ERROR, "unsupported_state_version", "state.version",
				 "ledger version %llu is not supported by this omnigraph (it reads version 1); upgrade "
				 "omnigraph",
				 (unsigned long long)version);
			goto out;
		} else {
			read_members(&r, root);
		}
	}
	if (r.why.n) {
		diag_add(d, DIAG_ERROR, "invalid_state_json", KEY_STATE,
			 "could not read the ledger: %s; restore it from a trusted copy", r.why.s);
		goto out;
	}
	ok = canonical_observations(l, d);
out:
	sb_free(&r.why);
	err_clear(&e);
	return ok;
}

bool ledger_read(const struct cluster_store *cs, struct ledger *l, struct diag_list *d)
{
	struct store_object obj = { 0 };
	struct err e = ERR_INIT;
	bool ok;
	int rc;

	*l = (struct ledger){ 0 };
	rc = cluster_get(cs, KEY_STATE, LIMIT_LEDGER_BYTES, &obj, &e);
	if (rc == -ENOENT) {
		err_clear(&e);
		return true;
	}
	if (rc) {
		diag_add(d, DIAG_ERROR, "state_read_error", KEY_STATE, "%s", err_msg(&e));
		err_clear(&e);
		return false;
	}
	l->found = true;
	set_cas(l, obj.data, obj.n);
	ok = decode(l, arena_str(&l->arena, (struct str){ obj.data, obj.n }), d);
	store_object_free(&obj);
	return ok;
}

void ledger_clear(struct ledger *l)
{
	free(l->resources);
	free(l->statuses);
	free(l->approvals.items);
	free(l->recoveries.items);
	free(l->observations.items);
	arena_free(&l->arena);
	*l = (struct ledger){ 0 };
}

/* --- writing ---------------------------------------------------------------------------------------- */

static void raw_value(struct json_writer *w, struct str json)
{
	struct arena a = ARENA_INIT;
	struct json *v;

	if (json_parse(&a, json, NULL, &v, NULL))
		jw_null(w);
	else
		jw_value(w, v);
	arena_free(&a);
}

void record_map_json(const struct record_map *m, struct json_writer *w)
{
	jw_begin_object(w);
	for (size_t i = 0; i < m->n; i++) {
		jw_keyz(w, m->items[i].key);
		raw_value(w, m->items[i].json);
	}
	jw_end_object(w);
}

void ledger_digests_json(const struct ledger *l, struct json_writer *w)
{
	jw_begin_object(w);
	for (size_t i = 0; i < l->n_resources; i++)
		jw_kstrz(w, l->resources[i].address, l->resources[i].digest);
	jw_end_object(w);
}

void ledger_statuses_json(const struct ledger *l, struct json_writer *w)
{
	jw_begin_object(w);
	for (size_t i = 0; i < l->n_statuses; i++) {
		const struct ledger_status *s = &l->statuses[i];

		jw_keyz(w, s->address);
		jw_begin_object(w);
		jw_kstrz(w, "status", s->status);
		if (s->n_conditions) {
			jw_keyz(w, "conditions");
			jw_begin_array(w);
			for (size_t k = 0; k < s->n_conditions; k++)
				jw_strz(w, s->conditions[k]);
			jw_end_array(w);
		}
		if (s->message)
			jw_kstrz(w, "message", s->message);
		jw_end_object(w);
	}
	jw_end_object(w);
}

static void resource_json(const struct ledger_resource *r, struct json_writer *w)
{
	struct strbuf b = STRBUF_INIT;

	jw_begin_object(w);
	jw_kstrz(w, "digest", r->digest);
	if (r->has_bindings) {
		jw_keyz(w, "applies_to");
		jw_begin_array(w);
		for (size_t i = 0; i < r->n_bindings; i++)
			jw_strz(w, r->bindings[i]);
		jw_end_array(w);
	}
	if (r->provider)
		jw_kstrz(w, "embedding_provider", r->provider);
	if (r->profile) {
		cluster_profile_canonical(r->profile, &b);
		jw_keyz(w, "embedding_profile");
		raw_value(w, sb_str(&b));
	}
	if (r->blob_policy) {
		jw_keyz(w, "external_blob_policy");
		raw_value(w, str_from(r->blob_policy));
	}
	jw_end_object(w);
	sb_free(&b);
}

void ledger_write_json(const struct ledger *l, struct strbuf *out)
{
	struct json_writer w;

	jw_init(&w, out, true);
	jw_begin_object(&w);
	jw_ku64(&w, "version", 1);
	jw_ku64(&w, "state_revision", l->revision);
	jw_keyz(&w, "applied_revision");
	jw_begin_object(&w);
	jw_kstrz(&w, "config_digest", l->config_digest);
	jw_keyz(&w, "resources");
	jw_begin_object(&w);
	for (size_t i = 0; i < l->n_resources; i++) {
		jw_keyz(&w, l->resources[i].address);
		resource_json(&l->resources[i], &w);
	}
	jw_end_object(&w);
	jw_end_object(&w);
	jw_keyz(&w, "resource_statuses");
	ledger_statuses_json(l, &w);
	jw_keyz(&w, "approval_records");
	record_map_json(&l->approvals, &w);
	jw_keyz(&w, "recovery_records");
	record_map_json(&l->recoveries, &w);
	jw_keyz(&w, "observations");
	record_map_json(&l->observations, &w);
	jw_end_object(&w);
	sb_addch(out, '\n');
}

static void moved(struct diag_list *d, const char *expected, const char *actual)
{
	diag_add(d, DIAG_ERROR, "state_cas_mismatch", KEY_STATE,
		 "the ledger changed while this command ran (expected %s, found %s); run the command again",
		 expected[0] ? expected : "no ledger", actual[0] ? actual : "no ledger");
}

/* What is stored now: its cas into @actual ("" when absent) and its token. */
static int current(const struct cluster_store *cs, char actual[8 + SHA256_HEX_LEN], struct store_token *token,
		   struct err *e)
{
	struct store_object obj = { 0 };
	int rc = cluster_get(cs, KEY_STATE, LIMIT_LEDGER_BYTES, &obj, e);

	actual[0] = 0;
	if (rc == -ENOENT) {
		err_clear(e);
		return 0;
	}
	if (rc)
		return rc;
	memcpy(actual, "sha256:", 7);
	sha256_hex(obj.data, obj.n, actual + 7);
	*token = obj.token;
	store_object_free(&obj);
	return 0;
}

bool ledger_publish(const struct cluster_store *cs, struct ledger *l, const char *expected, struct diag_list *d)
{
	char actual[8 + SHA256_HEX_LEN];
	struct strbuf out = STRBUF_INIT;
	struct store_token token;
	struct err e = ERR_INIT;
	int rc;

	if (FAILPOINT("cluster_apply.before_state_write", &e)) {
		diag_add(d, DIAG_ERROR, "injected_failpoint", "cluster_apply.before_state_write", "%s", err_msg(&e));
		err_clear(&e);
		return false;
	}
	rc = current(cs, actual, &token, &e);
	if (!rc && strcmp(actual, expected)) {
		moved(d, expected, actual);
		return false;
	}
	if (!rc) {
		ledger_write_json(l, &out);
		if (expected[0])
			rc = store_replace(cs->s, KEY_STATE, &token, out.s, out.n, NULL, &e);
		else
			rc = store_create(cs->s, KEY_STATE, out.s, out.n, NULL, &e);
	}
	if (rc == -ESTALE || rc == -EEXIST)
		moved(d, expected, "another ledger");
	else if (rc)
		diag_add(d, DIAG_ERROR, "state_write_error", KEY_STATE, "%s", err_msg(&e));
	else
		set_cas(l, out.s, out.n);
	sb_free(&out);
	err_clear(&e);
	return !rc;
}

/* --- composites ------------------------------------------------------------------------------------- */

void ledger_composite(const struct ledger *l, const char *graph, const char *provider, const char *blob_policy,
		      char out[SHA256_HEX_LEN + 1])
{
	struct arena a = ARENA_INIT;
	struct query_digest *q = arena_array(&a, struct query_digest, l->n_resources + 1);
	const char *prefix = arena_printf(&a, "query.%s.", graph);
	size_t n = 0, len = strlen(prefix);

	for (size_t i = 0; i < l->n_resources; i++)
		if (!strncmp(l->resources[i].address, prefix, len))
			q[n++] = (struct query_digest){ l->resources[i].address + len, l->resources[i].digest };
	graph_composite(graph, ledger_digest(l, arena_printf(&a, "schema.%s", graph)), q, n, provider,
			provider ? ledger_digest(l, provider) : NULL, blob_policy, out);
	arena_free(&a);
}

bool ledger_check_composites(const struct ledger *l, struct diag_list *d)
{
	bool ok = true;

	for (size_t i = 0; i < l->n_resources; i++) {
		const struct ledger_resource *r = &l->resources[i];
		char digest[SHA256_HEX_LEN + 1];

		if (resource_kind_of(r->address) != RES_GRAPH)
			continue;
		ledger_composite(l, r->address + 6, r->provider, r->blob_policy, digest);
		if (!strcmp(digest, r->digest))
			continue;
		ok = false;
		diag_add(d, DIAG_ERROR, "external_blob_policy_digest_mismatch", r->address,
			 "the ledger entry of %s does not hash to its recorded digest; it was edited by hand: restore "
			 "__cluster/state.json from a trusted copy",
			 r->address);
	}
	return ok;
}

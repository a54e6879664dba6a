/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>

#include "retention.h"

#define RETENTION_MAX_BYTES (64u << 20)
#define DROP_TRIES 8 /* against cleanups */

void history_prefix(const char *branch_id, char out[64])
{
	snprintf(out, 64, "history/%s", branch_id);
}

void history_key(const char *branch_id, uint64_t version, char out[128])
{
	snprintf(out, 128, "history/%s/%020llu", branch_id, (unsigned long long)version);
}

static void retention_key(const char *branch_id, char out[64])
{
	snprintf(out, 64, "history/%s.json", branch_id);
}

void retention_clear(struct retention *r)
{
	free(r->points);
	free(r->types);
	memset(r, 0, sizeof(*r));
}

/* --- format ---------------------------------------------------------------------------------------- */

static bool get_u64(const struct json *o, const char *name, uint64_t *out)
{
	const struct json *v = json_get(o, name);

	return v && json_to_u64(v, out);
}

static bool parse_points(const struct json *v, struct retention *r)
{
	bool ok = v && v->type == JSON_ARRAY;

	r->points = ok ? mem_calloc(v->n + 1, sizeof(*r->points)) : NULL;
	for (size_t i = 0; ok && i < v->n; i++) {
		ok = json_to_u64(&v->items[i], &r->points[i]) && r->points[i] < r->floor &&
		     (!i || r->points[i] > r->points[i - 1]);
		r->n_points++;
	}
	return ok;
}

static bool parse_types(const struct json *v, struct retention *r)
{
	bool ok = v && v->type == JSON_ARRAY;

	r->types = ok ? mem_calloc(v->n + 1, sizeof(*r->types)) : NULL;
	for (size_t i = 0; ok && i < v->n; i++) {
		struct type_floor *t = &r->types[r->n_types++];
		const struct json *o = &v->items[i];

		ok = get_u64(o, "type_id", &t->type_id) && get_u64(o, "incarnation", &t->incarnation) &&
		     get_u64(o, "version", &t->version);
	}
	return ok;
}

static int parse(const char *key, struct str text, struct retention *r, struct err *e)
{
	struct arena a = ARENA_INIT;
	struct json *root = NULL;
	uint64_t version;
	int rc = json_unseal(text, key, e);

	if (!rc && (json_parse(&a, text, NULL, &root, NULL) || !get_u64(root, "format_version", &version)))
		rc = err_set(e, ERR_STORAGE,
			     "storage: damaged object '%s': a member is missing or malformed; restore it from a backup",
			     key);
	if (!rc && version != 1)
		rc = err_set(e, ERR_STORAGE,
			     "storage: object '%s' has a format this binary does not read; upgrade omnigraph", key);
	if (!rc && (!get_u64(root, "floor", &r->floor) || !parse_points(json_get(root, "points"), r) ||
		    !get_u64(root, "trimmed", &r->trimmed) || !get_u64(root, "swept", &r->swept) ||
		    !get_u64(root, "listed", &r->listed) || !parse_types(json_get(root, "types"), r)))
		rc = err_set(e, ERR_STORAGE,
			     "storage: damaged object '%s': a member is missing or malformed; restore it from a backup",
			     key);
	arena_free(&a);
	return rc;
}

static void compose(const struct retention *r, struct strbuf *out)
{
	struct json_writer w;

	jw_init(&w, out, false);
	jw_begin_object(&w);
	jw_ku64(&w, "format_version", 1);
	jw_ku64(&w, "floor", r->floor);
	jw_keyz(&w, "points");
	jw_begin_array(&w);
	for (size_t i = 0; i < r->n_points; i++)
		jw_u64(&w, r->points[i]);
	jw_end_array(&w);
	jw_ku64(&w, "trimmed", r->trimmed);
	jw_ku64(&w, "swept", r->swept);
	jw_ku64(&w, "listed", r->listed);
	jw_keyz(&w, "types");
	jw_begin_array(&w);
	for (size_t i = 0; i < r->n_types; i++) {
		jw_begin_object(&w);
		jw_ku64(&w, "type_id", r->types[i].type_id);
		jw_ku64(&w, "incarnation", r->types[i].incarnation);
		jw_ku64(&w, "version", r->types[i].version);
		jw_end_object(&w);
	}
	jw_end_array(&w);
	jw_end_object(&w);
	json_seal(out);
}

/* --- reading and writing --------------------------------------------------------------------------- */

int retention_read(struct graph *g, const char *branch_id, struct retention *out, struct err *e)
{
	struct store_object o;
	char key[64];
	int rc;

	memset(out, 0, sizeof(*out));
	retention_key(branch_id, key);
	rc = store_get(g->store, key, RETENTION_MAX_BYTES, &o, e);
	if (rc == -ENOENT) {
		err_clear(e);
		return 0;
	}
	if (rc)
		return rc;
	out->token = o.token;
	rc = parse(key, (struct str){ o.data, o.n }, out, e);
	store_object_free(&o);
	if (rc)
		retention_clear(out);
	return rc;
}

int retention_conflict(const struct graph *g, struct err *e)
{
	return err_set(e, ERR_RETRYABLE_CONFLICT, "another cleanup of the graph at '%s' is running; run this one again",
		       graph_uri(g));
}

int retention_write(struct graph *g, const char *branch_id, struct retention *r, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	struct store_token token;
	char key[64];
	int rc;

	retention_key(branch_id, key);
	compose(r, &text);
	rc = r->token.s[0] ? store_replace(g->store, key, &r->token, text.s, text.n, &token, e)
			   : store_create(g->store, key, text.s, text.n, &token, e);
	sb_free(&text);
	if (rc == -ESTALE || rc == -EEXIST)
		return retention_conflict(g, e);
	if (!rc)
		r->token = token;
	return rc;
}

/* --- asking ---------------------------------------------------------------------------------------- */

bool retention_keeps(const struct retention *r, uint64_t version)
{
	size_t lo = 0, hi = r->n_points;

	if (version >= r->floor)
		return true;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (r->points[mid] < version)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < r->n_points && r->points[lo] == version;
}

static int removed(const struct lineage_step *s, uint64_t version, const char *commit_id, struct err *e)
{
	int rc = err_set(
		e, ERR_HISTORY_RECLAIMED,
		"the state of commit '%s' (version %llu of branch '%s') was removed by cleanup; read a newer commit",
		commit_id, (unsigned long long)version, s->label ? s->label : "main");

	err_detail(e, "graph_commit_id", commit_id);
	return rc;
}

int retention_check(struct graph *g, const struct lineage *l, uint64_t version, const char *commit_id,
		    struct retention *out, struct err *e)
{
	const struct lineage_step *s = &l->step[lineage_owner(l, version)];
	struct retention r;
	int rc = retention_read(g, s->id, &r, e);

	if (rc)
		return rc;
	if (!retention_keeps(&r, version))
		rc = removed(s, version, commit_id, e);
	if (out && !rc)
		*out = r;
	else
		retention_clear(&r);
	return rc;
}

/* --- hard drops ------------------------------------------------------------------------------------ */

void retention_hide(struct snapshot *s, const struct retention *r)
{
	if (!r->n_types)
		return;
	s->hidden = mem_calloc(r->n_types, sizeof(*s->hidden));
	for (size_t i = 0; i < r->n_types; i++) {
		if (s->version < r->types[i].version)
			s->hidden[s->n_hidden++] = r->types[i];
	}
}

static void add_floor(struct retention *r, const struct type *t, uint64_t version)
{
	size_t i = 0;

	while (i < r->n_types && (r->types[i].type_id != t->type_id || r->types[i].incarnation != t->incarnation))
		i++;
	if (i == r->n_types)
		r->n_types++;
	r->types[i] = (struct type_floor){ t->type_id, t->incarnation, version };
}

int retention_drop(struct graph *g, const struct type *const *types, size_t n, uint64_t version, struct err *e)
{
	struct retention r;
	int rc = 0;

	for (int i = 0; i < DROP_TRIES; i++) {
		err_clear(e);
		rc = retention_read(g, g->main_id, &r, e);
		if (rc)
			return rc;
		r.types = mem_realloc(r.types, (r.n_types + n) * sizeof(*r.types));
		for (size_t k = 0; k < n; k++)
			add_floor(&r, types[k], version);
		rc = retention_write(g, g->main_id, &r, e);
		retention_clear(&r);
		if (!rc || !e || e->code != ERR_RETRYABLE_CONFLICT)
			break;
	}
	return rc;
}

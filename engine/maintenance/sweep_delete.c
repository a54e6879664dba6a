/* SPDX-License-Identifier: MIT */
/*
 * Segments go first, while the records and checkpoints that name them are still there: whatever stops the sweep, the next one finds
 * the rest. Nobody reads those records any more, the retention objects say so already.
 */
#include <stdio.h>

#include <omnigraph/failpoint.h>

#include "engine/store/schema_lock.h"
#include "sweep_priv.h"

/* --- segments -------------------------------------------------------------------------------------- */

static bool goes(const struct object *o)
{
	return o->present && !o->needed && (o->referred || !o->young);
}

static int delete_segment(struct sweep *w, const struct object *o, struct err *e)
{
	char key[128];

	seg_key(key, o->name);
	return store_delete(w->plan->g->store, key, e);
}

static int delete_of_type(struct sweep *w, struct type_tally *t, struct err *e)
{
	int rc = FAILPOINT("cleanup.table_gc", e);

	for (struct map_entry *m = map_first(&w->segments); m && !rc; m = map_next(&w->segments, m)) {
		const struct object *o = m->value;

		if (!goes(o) || o->type_id != t->type_id || o->incarnation != t->incarnation)
			continue;
		rc = delete_segment(w, o, e);
		if (!rc)
			t->segment_bytes += o->bytes;
	}
	return rc;
}

/* Of types that are no more, and orphans. */
static int delete_of_no_type(struct sweep *w, struct err *e)
{
	int rc = 0;

	for (struct map_entry *m = map_first(&w->segments); m && !rc; m = map_next(&w->segments, m)) {
		const struct object *o = m->value;

		if (goes(o) && !sweep_tally(w, o->type_id, o->incarnation))
			rc = delete_segment(w, o, e);
	}
	return rc;
}

static bool delete_segments(struct sweep *w)
{
	bool all = true;

	for (size_t i = 0; i < w->n_types; i++) {
		struct err why = ERR_INIT;

		if (delete_of_type(w, &w->types[i], &why)) {
			w->types[i].error = mem_strdup(err_msg(&why));
			w->types[i].versions = 0;
			all = false;
		}
		err_clear(&why);
	}
	return all;
}

/* --- indexes ---------------------------------------------------------------------------------------- */

struct key_list {
	struct sweep *w;
	char **keys;
	size_t n, cap;
};

static void key_list_add(struct key_list *l, const char *key)
{
	MEM_GROW(l->keys, l->n, l->cap);
	l->keys[l->n++] = mem_strdup(key);
}

static void key_list_free(struct key_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->keys[i]);
	free(l->keys);
}

/* An index goes with its segment; one whose segment is unknown may belong to one that was written meanwhile, until it is old. */
static int on_index(void *arg, const char *key, const struct store_stat *st)
{
	const char *name = key + strlen("idx/"), *dot = strchr(name, '.');
	struct key_list *l = arg;
	const struct object *o;

	if (!dot || dot - name != SHA256_HEX_LEN)
		return 0;
	o = map_get(&l->w->segments, (struct str){ name, SHA256_HEX_LEN });
	if (o && o->present ? goes(o) : st->mtime_us <= l->w->old_enough)
		key_list_add(l, key);
	return 0;
}

static int delete_indexes(struct sweep *w, struct err *e)
{
	struct key_list l = { .w = w };
	int rc = store_list(w->plan->g->store, "idx", NULL, false, on_index, &l, e);

	for (size_t i = 0; i < l.n && !rc; i++)
		rc = store_delete(w->plan->g->store, l.keys[i], e);
	key_list_free(&l);
	return rc;
}

/* --- checkpoints, logs, history -------------------------------------------------------------------- */

static int delete_checkpoints(struct sweep *w, struct err *e)
{
	char key[128];
	int rc = 0;

	for (size_t i = 0; i < w->n_ckpts && !rc; i++) {
		if (!w->ckpts[i].remove)
			continue;
		ckpt_key(w->ckpts[i].id, w->ckpts[i].version, key);
		rc = store_delete(w->plan->g->store, key, e);
	}
	return rc;
}

static int trim_log(struct sweep *w, struct keep_log *l, struct err *e)
{
	char log[64];
	int rc;

	if (l->now.trimmed <= l->now.swept)
		return 0;
	log_key(l->id, log);
	rc = store_log_trim(w->plan->g->store, log, l->now.trimmed, e);
	if (rc)
		return rc;
	l->now.swept = l->now.trimmed;
	return retention_write(w->plan->g, l->id, &l->now, e);
}

static int trim_logs(struct sweep *w, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < w->plan->n && !rc; i++)
		rc = trim_log(w, &w->plan->logs[i], e);
	return rc;
}

/* Does "<folder>/<branch id>..." belong to no live branch? */
static bool is_dead(const struct sweep *w, const char *key)
{
	const char *at = strchr(key, '/');
	char id[ULID_LEN + 1];

	if (!at || strlen(at + 1) < ULID_LEN)
		return false;
	memcpy(id, at + 1, ULID_LEN);
	id[ULID_LEN] = 0;
	return ulid_valid(str_from(id)) && !keep_find(w->plan, id);
}

/* Logs of deleted branches and of crashed inits. */
static int delete_dead(struct sweep *w, struct err *e)
{
	struct store *s = w->plan->g->store;
	int rc = 0;

	for (size_t i = 0; i < w->n_logs && !rc; i++) {
		if (is_dead(w, w->logs[i]))
			rc = store_delete_prefix(s, w->logs[i], e);
	}
	for (size_t i = 0; i < w->n_histories && !rc; i++) {
		if (is_dead(w, w->histories[i]))
			rc = store_delete(s, w->histories[i], e);
	}
	return rc;
}

/* --- blobs ----------------------------------------------------------------------------------------- */

static int on_old(void *arg, const char *key, const struct store_stat *st)
{
	struct key_list *l = arg;

	if (st->mtime_us <= l->w->old_enough)
		key_list_add(l, key);
	return 0;
}

static void mark_column(struct sweep *w, const struct segment *s, uint32_t col)
{
	struct arena a = ARENA_INIT;

	for (uint64_t row = 0; row < segment_rows(s); row++) {
		struct val v;

		segment_get(s, col, row, &a, &v);
		sweep_mark_blob(w, &v);
		arena_reset(&a);
	}
	arena_free(&a);
}

static int mark_blobs_of(struct sweep *w, const struct object *o, struct err *e)
{
	struct seg *s;
	int rc = seg_open(&w->plan->g->segs, o->name, o->rows, &s, e);

	if (rc)
		return rc;
	rc = seg_verify(s, e);
	for (uint32_t i = 0; i < segment_n_columns(s->s) && !rc; i++) {
		const struct segment_column *c = segment_column(s->s, i);

		if (c->role == SEG_PROP && c->type.scalar == SCALAR_BLOB)
			mark_column(w, s->s, i);
	}
	seg_put(s);
	return rc;
}

static int delete_blobs(struct sweep *w, struct err *e)
{
	struct key_list old = { .w = w };
	int rc = store_list(w->plan->g->store, "blob", NULL, false, on_old, &old, e);
	struct map_entry *m = old.n ? map_first(&w->segments) : NULL;

	for (; m && !rc; m = map_next(&w->segments, m)) {
		const struct object *o = m->value;

		if (o->needed)
			rc = mark_blobs_of(w, o, e);
	}
	for (size_t i = 0; i < old.n && !rc; i++) {
		const struct object *o = map_get(&w->blobs, str_from(strrchr(old.keys[i], '/') + 1));

		if (!o || !o->needed)
			rc = store_delete(w->plan->g->store, old.keys[i], e);
	}
	key_list_free(&old);
	return rc;
}

/* --- schema records -------------------------------------------------------------------------------- */

static bool schema_needed(struct sweep *w, const char *key)
{
	const char *name = strrchr(key, '/') + 1, *dot = strrchr(name, '.');
	const struct object *o;

	if (!dot || dot - name != SHA256_HEX_LEN)
		return true; /* not a record */
	o = map_get(&w->schemas, (struct str){ name, SHA256_HEX_LEN });
	return o && o->needed;
}

static int each_unneeded_schema(struct sweep *w, bool delete, size_t *n, struct err *e)
{
	struct key_list old = { .w = w };
	int rc = store_list(w->plan->g->store, "schema", NULL, false, on_old, &old, e);

	*n = 0;
	for (size_t i = 0; i < old.n && !rc; i++) {
		if (schema_needed(w, old.keys[i]))
			continue;
		(*n)++;
		if (delete)
			rc = store_delete(w->plan->g->store, old.keys[i], e);
	}
	key_list_free(&old);
	return rc;
}

/*
 * Under the lock no apply can be about to publish a record that is there already; it writes such a record anew, which makes it young.
 * When an apply is running, they wait for the next time. The lock keeps branches from being created: it is taken only for a reason.
 */
static int delete_schemas(struct sweep *w, struct err *e)
{
	size_t n;
	int rc = each_unneeded_schema(w, false, &n, e);

	if (rc || !n || schema_lock(w->plan->g, NULL))
		return rc;
	rc = each_unneeded_schema(w, true, &n, e);
	schema_unlock(w->plan->g);
	return rc;
}

/* --- the whole ------------------------------------------------------------------------------------- */

int sweep_delete(struct sweep *w, struct err *e)
{
	int rc;

	if (!delete_segments(w))
		return 0;
	rc = delete_of_no_type(w, e);
	if (!rc)
		rc = delete_indexes(w, e);
	if (!rc)
		rc = delete_checkpoints(w, e);
	if (!rc)
		rc = trim_logs(w, e);
	if (!rc)
		rc = delete_dead(w, e);
	if (!rc)
		rc = delete_blobs(w, e);
	return rc ? rc : delete_schemas(w, e);
}

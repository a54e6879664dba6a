/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "sweep.h"
#include "sweep_priv.h"

/* --- what there is --------------------------------------------------------------------------------- */

static bool ulid_in(const char *key, size_t at, char end, char id[ULID_LEN + 1])
{
	if (strlen(key) <= at + ULID_LEN || key[at + ULID_LEN] != end)
		return false;
	memcpy(id, key + at, ULID_LEN);
	id[ULID_LEN] = 0;
	return ulid_valid(str_from(id));
}

static int on_ckpt(void *arg, const char *key, const struct store_stat *st)
{
	struct sweep *w = arg;
	struct checkpoint_at c = { .version = 0 };
	const char *version = key + strlen("ckpt/") + ULID_LEN + 1;

	if (!ulid_in(key, strlen("ckpt/"), '/', c.id) || strlen(version) != 20 ||
	    !str_to_u64(str_from(version), &c.version))
		return 0;
	MEM_GROW(w->ckpts, w->n_ckpts, w->cap_ckpts);
	w->ckpts[w->n_ckpts++] = c;
	return 0;
}

static int on_log(void *arg, const char *name)
{
	struct sweep *w = arg;

	MEM_GROW(w->logs, w->n_logs, w->cap_logs);
	w->logs[w->n_logs++] = mem_strdup(name);
	return 0;
}

static int on_history(void *arg, const char *key, const struct store_stat *st)
{
	struct sweep *w = arg;

	MEM_GROW(w->histories, w->n_histories, w->cap_histories);
	w->histories[w->n_histories++] = mem_strdup(key);
	return 0;
}

int sweep_inventory(struct sweep *w, struct err *e)
{
	struct store *s = w->plan->g->store;
	int rc = store_list(s, "ckpt", NULL, true, on_ckpt, w, e);

	if (!rc)
		rc = store_log_list(s, "log", on_log, w, e);
	if (!rc)
		rc = store_list(s, "history", NULL, true, on_history, w, e);
	return rc;
}

/* --- marking --------------------------------------------------------------------------------------- */

static struct object *object_at(struct sweep *w, struct map *m, const char *name)
{
	struct object *o = map_get(m, str_from(name));

	if (o)
		return o;
	o = arena_new(&w->arena, struct object);
	memset(o, 0, sizeof(*o));
	o->name = arena_strdup(&w->arena, name);
	map_put(m, str_from(o->name), o);
	return o;
}

struct type_tally *sweep_tally(struct sweep *w, uint64_t type_id, uint64_t incarnation)
{
	for (size_t i = 0; i < w->n_types; i++) {
		if (w->types[i].type_id == type_id && w->types[i].incarnation == incarnation)
			return &w->types[i];
	}
	return NULL;
}

struct mark {
	struct sweep *w;
	bool needed;
	bool missing; /* a segment is not in the store */
};

static void mark_segment(const struct mark *m, uint64_t type_id, uint64_t incarnation, const struct rec_segment *ref)
{
	struct object *o = object_at(m->w, &m->w->segments, ref->digest);

	o->referred = true;
	o->needed |= m->needed;
	o->rows = ref->rows;
	o->type_id = type_id;
	o->incarnation = incarnation;
}

static int on_ckpt_segment(void *arg, uint64_t type_id, uint64_t incarnation, const struct rec_segment *ref)
{
	const struct mark *m = arg;

	mark_segment(m, type_id, incarnation, ref);
	return 0;
}

/* One that the list lacks may have been written since. */
static int look_segment(void *arg, uint64_t type_id, uint64_t incarnation, const struct rec_segment *ref)
{
	struct mark *m = arg;
	const struct object *o = map_get(&m->w->segments, str_from(ref->digest));
	struct store_stat st;
	char key[128];

	if (o && o->present)
		return 0;
	seg_key(key, ref->digest);
	m->missing |= store_head(m->w->plan->g->store, key, &st, NULL) == -ENOENT;
	return 0;
}

/* --- checkpoints ----------------------------------------------------------------------------------- */

static int mark_checkpoint(struct sweep *w, const char *id, uint64_t version, bool needed, struct err *e)
{
	struct mark m = { .w = w, .needed = needed };
	char schema[SHA256_HEX_LEN + 1];
	int rc = checkpoint_refs(w->plan->g, id, version, schema, on_ckpt_segment, &m, e);

	if (!rc && needed)
		object_at(w, &w->schemas, schema)->needed = true;
	return rc;
}

/*
 * A checkpoint made from a state in memory that was older than a cleanup may lack segments: it is passed over, so it may go, and so may a
 * damaged one. One that just cannot be read now is neither.
 */
static int is_whole(struct sweep *w, const struct checkpoint_at *c, bool *whole, struct err *e)
{
	struct mark m = { .w = w };
	char schema[SHA256_HEX_LEN + 1];
	int rc = checkpoint_refs(w->plan->g, c->id, c->version, schema, look_segment, &m, e);

	*whole = !rc && !m.missing;
	if (rc == -ENOENT || rc == -EBADMSG) {
		err_clear(e);
		return 0;
	}
	return rc;
}

static bool relies_on(const struct retention *r, uint64_t version)
{
	bool found = r->floor == version;

	for (size_t i = 0; i < r->n_points && !found; i++)
		found = r->points[i] == version;
	return found;
}

static int mark_listed(struct sweep *w, struct checkpoint_at *c, struct err *e)
{
	const struct keep_log *l = keep_find(w->plan, c->id);
	bool whole = false;
	int rc = l && retention_keeps(&l->now, c->version) ? is_whole(w, c, &whole, e) : 0;

	if (rc)
		return rc;
	/* what this cleanup relies on was proved by keep_secure, and may have been replaced since by another spelling */
	c->remove = !whole && !(l && relies_on(&l->now, c->version));
	if (!c->remove)
		return mark_checkpoint(w, c->id, c->version, true, e);
	mark_checkpoint(w, c->id, c->version, false, NULL); /* whether it can be read or not */
	return 0;
}

static int mark_checkpoints(struct sweep *w, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < w->n_ckpts && !rc; i++)
		rc = mark_listed(w, &w->ckpts[i], e);
	/* those that this cleanup relies on, and may just have written */
	for (size_t i = 0; i < w->plan->n && !rc; i++) {
		const struct keep_log *l = &w->plan->logs[i];

		if (l->now.floor)
			rc = mark_checkpoint(w, l->id, l->now.floor, true, e);
		for (size_t k = 0; k < l->now.n_points && !rc; k++)
			rc = mark_checkpoint(w, l->id, l->now.points[k], true, e);
	}
	return rc;
}

/* --- log records ----------------------------------------------------------------------------------- */

struct type_seen { /* last change of a type in one log */
	uint64_t type_id, incarnation, version;
};

struct records {
	struct sweep *w;
	const struct keep_log *l; /* NULL: the log of no live branch */
	const char *log;
	struct arena scratch;
	struct type_seen *seen;
	size_t n_seen, cap_seen;
	struct err *e;
};

void sweep_mark_blob(struct sweep *w, const struct val *v)
{
	char digest[SHA256_HEX_LEN + 1];

	if (v->kind != VAL_BLOB || v->flags != VAL_BLOB_STORED || v->n < SHA256_HEX_LEN)
		return;
	memcpy(digest, v->s, SHA256_HEX_LEN);
	digest[SHA256_HEX_LEN] = 0;
	object_at(w, &w->blobs, digest)->needed = true;
}

static void pass_rows(struct records *r, struct dec *d, const struct rec_type *t, bool needed)
{
	size_t n = dec_count(d);

	for (size_t i = 0; i < n && !d->bad; i++) {
		dec_bytes(d);
		if (t->edge) {
			dec_bytes(d);
			dec_bytes(d);
		}
		for (size_t k = 0; k < t->n_props && !d->bad; k++) {
			struct val v;

			dec_val(d, &r->scratch, &v);
			if (needed && !d->bad)
				sweep_mark_blob(r->w, &v);
		}
	}
	n = dec_count(d);
	for (size_t i = 0; i < n && !d->bad; i++)
		dec_bytes(d);
}

/* Before the first change seen here: the version that the last sweep kept, or the empty one that main began with; 0: the parent's. */
static uint64_t version_before(const struct keep_log *l)
{
	if (l->was.swept)
		return l->was.floor;
	return l->b->lineage->n == 1 ? l->c[0].version : 0;
}

static struct type_seen *seen_of(struct records *r, const struct rec_type *t)
{
	for (size_t i = 0; i < r->n_seen; i++) {
		if (r->seen[i].type_id == t->type_id && r->seen[i].incarnation == t->incarnation)
			return &r->seen[i];
	}
	MEM_GROW(r->seen, r->n_seen, r->cap_seen);
	r->seen[r->n_seen] = (struct type_seen){ t->type_id, t->incarnation, version_before(r->l) };
	return &r->seen[r->n_seen++];
}

/* A version of a type ends at @version: did the last commit that saw it go? */
static void count_version(struct records *r, const struct rec_type *t, uint64_t version)
{
	struct type_tally *tally = sweep_tally(r->w, t->type_id, t->incarnation);
	struct type_seen *seen = seen_of(r, t);

	if (version <= seen->version)
		return;
	if (tally && seen->version && !keep_any(&r->l->now, seen->version, version - 1))
		tally->versions++;
	seen->version = version;
}

static int pass_type(struct records *r, struct dec *d, uint64_t version, bool needed)
{
	struct mark m = { .w = r->w, .needed = needed };
	const uint8_t *start = d->p;
	struct type_tally *tally;
	struct rec_type t;
	int rc = type_decode(d, &r->scratch, &t, r->e);

	if (rc)
		return rc;
	pass_rows(r, d, &t, needed);
	if (d->bad)
		return err_set(r->e, ERR_STORAGE, "storage: damaged commit record: the rows do not parse");
	for (size_t i = 0; i < t.n_segments; i++)
		mark_segment(&m, t.type_id, t.incarnation, &t.segments[i]);
	tally = sweep_tally(r->w, t.type_id, t.incarnation);
	if (tally && !needed)
		tally->log_bytes += (uint64_t)(d->p - start);
	if (r->l)
		count_version(r, &t, version);
	arena_reset(&r->scratch);
	return 0;
}

static int pass_commit(struct records *r, struct dec *d, bool needed)
{
	char schema[SHA256_HEX_LEN + 1];
	struct rec_commit c;
	int rc = commit_decode(d, &c, r->e);

	if (rc)
		return rc;
	if (c.schema.s && needed) {
		hex_encode(schema, c.schema.s, LOG_DIGEST_BYTES);
		object_at(r->w, &r->w->schemas, schema)->needed = true;
	}
	for (size_t i = 0; i < c.n_types && !rc; i++)
		rc = pass_type(r, &c.types, c.version, needed);
	return rc;
}

static int on_record(void *arg, uint64_t seq, const void *data, size_t n)
{
	struct records *r = arg;
	uint32_t n_commits = 0;
	struct dec d;
	int rc = record_open(data, n, &d, &n_commits, r->e);

	for (uint32_t i = 0; i < n_commits && !rc; i++)
		rc = pass_commit(r, &d, r->l && seq > r->l->now.trimmed);
	return record_blame(rc, r->log, seq, r->e);
}

/* From where the last sweep ended; when it was cut short, some of that is gone already. */
static int pass_log(struct sweep *w, const char *id, const struct keep_log *l, const struct retention *ret,
		    struct err *e)
{
	char log[64];
	struct records r = { .w = w, .l = l, .log = log, .e = e };
	int rc;

	log_key(id, log);
	rc = store_log_read(w->plan->g->store, log, ret->swept + 1, on_record, &r, e);
	if (rc == -ENOENT) {
		err_clear(e);
		rc = store_log_read(w->plan->g->store, log, ret->trimmed + 1, on_record, &r, e);
	}
	free(r.seen);
	arena_free(&r.scratch);
	return rc;
}

/* What of a log that nobody reads any more cannot be understood waits until it is old. */
static void pass_dead_log(struct sweep *w, const char *key)
{
	char id[ULID_LEN + 1];
	struct retention ret;

	if (!ulid_in(key, strlen("log/"), 0, id) || keep_find(w->plan, id))
		return;
	if (retention_read(w->plan->g, id, &ret, NULL))
		return;
	pass_log(w, id, NULL, &ret, NULL);
	retention_clear(&ret);
}

static int mark_records(struct sweep *w, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < w->plan->n && !rc; i++) {
		const struct keep_log *l = &w->plan->logs[i];

		rc = pass_log(w, l->id, l, &l->was, e);
	}
	for (size_t i = 0; i < w->n_logs && !rc; i++)
		pass_dead_log(w, w->logs[i]);
	return rc;
}

/* --- the segments that are there ------------------------------------------------------------------- */

static bool is_digest(const char *s, size_t n)
{
	return n == SHA256_HEX_LEN && strspn(s, "0123456789abcdef") >= n;
}

static int on_segment(void *arg, const char *key, const struct store_stat *st)
{
	struct sweep *w = arg;
	const char *name = strrchr(key, '/') + 1;
	char digest[SHA256_HEX_LEN + 1];
	struct object *o;

	if (strlen(name) != SHA256_HEX_LEN + strlen(".arrow") || !is_digest(name, SHA256_HEX_LEN) ||
	    strcmp(name + SHA256_HEX_LEN, ".arrow") != 0)
		return 0;
	memcpy(digest, name, SHA256_HEX_LEN);
	digest[SHA256_HEX_LEN] = 0;
	o = object_at(w, &w->segments, digest);
	o->present = true;
	o->bytes = st->size;
	o->young = st->mtime_us > w->old_enough;
	return 0;
}

/* What is needed has to be there: in the list, or written since. */
static int check_needed(struct sweep *w, struct err *e)
{
	struct store_stat st;
	char key[128];
	int rc = 0;

	for (struct map_entry *m = map_first(&w->segments); m && !rc; m = map_next(&w->segments, m)) {
		const struct object *o = m->value;

		if (!o->needed || o->present)
			continue;
		seg_key(key, o->name);
		rc = store_head(w->plan->g->store, key, &st, e);
		if (rc == -ENOENT)
			rc = err_set(e, ERR_STORAGE,
				     "cleanup deleted nothing, because '%s' is missing, which a kept commit needs; "
				     "restore it from a backup",
				     key);
	}
	return rc;
}

static void forget(struct sweep *w)
{
	map_free(&w->segments);
	map_free(&w->schemas);
	map_free(&w->blobs);
	arena_free(&w->arena);
	for (size_t i = 0; i < w->n_types; i++)
		w->types[i].log_bytes = w->types[i].versions = 0;
}

int sweep_collect(struct sweep *w, struct err *e)
{
	int rc;

	forget(w);
	rc = store_list(w->plan->g->store, "seg", NULL, false, on_segment, w, e);
	if (!rc)
		rc = mark_checkpoints(w, e);
	if (!rc)
		rc = mark_records(w, e);
	return rc ? rc : check_needed(w, e);
}

void sweep_free(struct sweep *w)
{
	for (size_t i = 0; i < w->n_logs; i++)
		free(w->logs[i]);
	for (size_t i = 0; i < w->n_histories; i++)
		free(w->histories[i]);
	free(w->ckpts);
	free(w->logs);
	free(w->histories);
	forget(w);
}

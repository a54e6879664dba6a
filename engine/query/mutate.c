/* SPDX-License-Identifier: MIT */
/* Mutations: the frame of a write, inserts, values (spec/query.md 10, spec/engine.md 7). */
#include "parser.h"

#include "engine/store/graph_priv.h"
#include "mutate.h"

/* --- values ------------------------------------------------------------------------------------ */

int mutate_missing(const struct prop *p, struct err *e)
{
	return err_set(e, ERR_BAD_REQUEST, "missing required %sproperty '%.*s'",
		       p->type.scalar == SCALAR_BLOB ? "blob " : "", STR_ARG(p->name));
}

static int endpoint_value(const struct val *v, uint32_t end, struct err *e)
{
	if (v->kind != VAL_STR)
		return err_set(e, ERR_BAD_REQUEST, "missing required edge endpoint '%s'",
			       end == TUPLE_SRC ? "from" : "to");
	return 0;
}

int mutate_values(struct mutation *m, const struct stmt *st, const struct type *ty, struct val **out, struct err *e)
{
	struct val *vals = arena_array(m->a, struct val, st->n_assign + 1);

	for (uint32_t i = 0; i < st->n_assign; i++) {
		uint32_t prop = st->assign[i].prop;
		int rc = const_value(&m->env, st->assign[i].value, m->a, &vals[i], e);

		if (rc)
			return rc;
		if (prop == TUPLE_SRC || prop == TUPLE_DST)
			rc = endpoint_value(&vals[i], prop, e);
		else
			rc = value_for_prop(&vals[i], &ty->props[prop], m->a, &vals[i], e);
		if (rc)
			return rc;
		if (vals[i].kind == VAL_BLOB && vals[i].flags == VAL_BLOB_URI)
			*PUSH(m->a, m->uris, m->n_uris, m->uris_cap) = vals[i].s;
	}
	*out = vals;
	return 0;
}

/* --- insert ------------------------------------------------------------------------------------ */

static bool is_assigned(const struct stmt *st, uint32_t prop)
{
	for (uint32_t i = 0; i < st->n_assign; i++)
		if (st->assign[i].prop == prop)
			return true;
	return false;
}

static int null_key(const struct type *ty, struct err *e)
{
	struct strbuf names = STRBUF_INIT;
	int rc;

	for (uint32_t i = 0; i < ty->key.n; i++)
		sb_addf(&names, "%s%.*s", i ? ", " : "", STR_ARG(ty->props[ty->key.members[i]].name));
	if (ty->key.n == 1)
		rc = err_set(e, ERR_BAD_REQUEST, "insert @key property '%s' cannot contain null", names.s);
	else
		rc = err_set(e, ERR_BAD_REQUEST, "insert @key properties (%s) cannot contain null", names.s);
	sb_free(&names);
	return rc;
}

static int check_key(const struct type *ty, const struct stmt *st, const struct val *vals, struct err *e)
{
	for (uint32_t i = 0; i < ty->key.n; i++) {
		uint32_t prop = ty->key.members[i];

		if (!is_assigned(st, prop))
			return err_set(e, ERR_BAD_REQUEST, "insert missing @key property '%.*s'",
				       STR_ARG(ty->props[prop].name));
		if (val_is_null(&vals[prop]))
			return null_key(ty, e);
	}
	return 0;
}

static int check_required(const struct type *ty, const struct val *vals, struct err *e)
{
	for (uint32_t i = 0; i < ty->n_props; i++)
		if (val_is_null(&vals[i]) && !ty->props[i].type.nullable)
			return mutate_missing(&ty->props[i], e);
	return 0;
}

/* Canonical text of the key; a JSON array of texts when it is composite (spec/engine.md 3.2). */
static int key_id(const struct type *ty, const struct val *vals, struct strbuf *out, struct err *e)
{
	struct strbuf part = STRBUF_INIT;
	int rc = 0;

	if (ty->key.n == 1)
		return val_key_text(&vals[ty->key.members[0]], out, e);
	for (uint32_t i = 0; !rc && i < ty->key.n; i++) {
		sb_addch(out, i ? ',' : '[');
		sb_reset(&part);
		rc = val_key_text(&vals[ty->key.members[i]], &part, e);
		if (!rc)
			json_quote(out, sb_str(&part));
	}
	sb_addch(out, ']');
	sb_free(&part);
	return rc;
}

static int row_identity(struct mutation *m, const struct type *ty, const struct val *vals, struct str *id,
			struct err *e)
{
	struct strbuf b = STRBUF_INIT;
	char ulid[ULID_LEN + 1];
	int rc = 0;

	if (ty->key.n) {
		rc = key_id(ty, vals, &b, e);
	} else {
		ulid_new(ulid);
		sb_addz(&b, ulid);
	}
	if (!rc)
		*id = arena_str(m->a, sb_str(&b));
	sb_free(&b);
	return rc;
}

static int run_insert(struct mutation *m, const struct stmt *st, const struct type *ty, struct err *e)
{
	struct val *assigned, *vals = arena_array(m->a, struct val, ty->n_props + 1);
	struct row_image row = { .vals = vals };
	int rc = mutate_values(m, st, ty, &assigned, e);

	if (rc)
		return rc;
	for (uint32_t i = 0; i < st->n_assign; i++) {
		if (st->assign[i].prop == TUPLE_SRC)
			row.src = val_text(&assigned[i]);
		else if (st->assign[i].prop == TUPLE_DST)
			row.dst = val_text(&assigned[i]);
		else
			vals[st->assign[i].prop] = assigned[i];
	}
	rc = check_key(ty, st, vals, e);
	if (!rc)
		rc = check_required(ty, vals, e);
	if (!rc)
		rc = row_identity(m, ty, vals, &row.id, e);
	if (!rc)
		rc = txn_put(m->t, ty, &row, e);
	*(ty->kind == TYPE_NODE ? &m->nodes : &m->edges) += 1;
	return rc;
}

/* --- external blobs ---------------------------------------------------------------------------- */

static bool is_new_uri(void *arg, const struct val *v)
{
	const struct mutation *m = arg;

	for (uint32_t i = 0; i < m->n_uris; i++)
		if (m->uris[i] == v->s)
			return true;
	return false;
}

/* A URI overwritten later in the query does not count (spec/engine.md 14.3); one that a row held before is carried. */
static int ingest_uris(struct mutation *m, struct err *e)
{
	struct blob_ingest in = { .policy = m->blobs, .arena = m->a, .is_new = is_new_uri, .arg = m };

	return m->n_uris ? blob_ingest(m->t, &in, e) : 0;
}

/* --- one attempt ------------------------------------------------------------------------------- */

static int check_schema(const struct mutation *m, struct err *e)
{
	const char *expected = m->q->catalog->compiled_digest, *actual = m->c->compiled_digest;

	return strcmp(expected, actual) ? read_set_changed("schema_ir_hash", NULL, expected, actual, e) : 0;
}

static int run_stmt(struct mutation *m, const struct stmt *st, struct err *e)
{
	const struct type *ty = &m->c->types[st->type->index]; /* an equal catalog, maybe another copy */

	switch (st->kind) {
	case ST_INSERT:
		return run_insert(m, st, ty, e);
	case ST_UPDATE:
		return mutate_update(m, st, ty, e);
	case ST_DELETE:
		return mutate_delete(m, st, ty, e);
	}
	return 0;
}

static int prepare(void *arg, struct txn *t, struct err *e)
{
	struct mutation *m = arg;
	int rc;

	*m = (struct mutation){
		.q = m->q, .params = m->params, .blobs = m->blobs, .t = t, .base = txn_base(t), .a = txn_arena(t)
	};
	m->c = snapshot_catalog(m->base);
	m->env = (struct const_env){ m->q, m->params, txn_now_ms(t) };
	rc = check_schema(m, e);
	for (uint32_t i = 0; !rc && i < m->q->decl.n_stmts; i++)
		rc = run_stmt(m, &m->q->decl.stmts[i], e);
	return rc ? rc : ingest_uris(m, e);
}

/* --- before any I/O ---------------------------------------------------------------------------- */

static int check_kinds(const struct query_decl *d, bool *only_inserts, struct err *e)
{
	uint32_t writes = 0, deletes = 0;

	*only_inserts = true;
	for (uint32_t i = 0; i < d->n_stmts; i++) {
		deletes += d->stmts[i].kind == ST_DELETE;
		writes += d->stmts[i].kind != ST_DELETE;
		*only_inserts &= d->stmts[i].kind == ST_INSERT;
	}
	if (!writes || !deletes)
		return 0;
	return err_set(e, ERR_BAD_REQUEST,
		       "mutation '%.*s' on the same query mixes inserts/updates and deletes; split into separate "
		       "mutations: (1) inserts and updates, then (2) deletes. Each of them is one atomic commit.",
		       STR_ARG(d->name));
}

static int check_key_updates(const struct query_decl *d, struct err *e)
{
	for (uint32_t i = 0; i < d->n_stmts; i++) {
		const struct stmt *st = &d->stmts[i];

		for (uint32_t k = 0; st->kind == ST_UPDATE && k < st->type->key.n; k++) {
			const struct prop *p = &st->type->props[st->type->key.members[k]];

			if (is_assigned(st, p->index))
				return err_set(e, ERR_BAD_REQUEST,
					       "cannot update @key property '%.*s' — delete and re-insert instead",
					       STR_ARG(p->name));
		}
	}
	return 0;
}

static int run(struct graph *g, const struct query *q, const struct val *params, const char *branch,
	       const struct write_opts *opts, struct mutation_result *out, struct err *e)
{
	struct mutation m = { .q = q, .params = params, .blobs = &g->blobs };
	struct write_req req = {
		.branch = branch,
		.actor = opts->actor,
		.expected_head = opts->expected_head,
		.kind = WRITE_MUTATION,
		.limited = true,
		.prepare = prepare,
		.arg = &m,
	};
	int rc = check_kinds(&q->decl, &req.retryable, e);

	if (!rc)
		rc = check_key_updates(&q->decl, e);
	if (!rc)
		rc = graph_write(g, &req, &out->has_commit, &out->commit, e);
	out->affected_nodes = m.nodes;
	out->affected_edges = m.edges;
	return rc;
}

int graph_mutate(struct graph *g, const struct query *q, const struct val *params, const struct write_opts *opts,
		 struct mutation_result *out, struct err *e)
{
	static const struct write_opts defaults;
	char *branch = NULL;
	int rc;

	*out = (struct mutation_result){ 0 };
	if (!opts)
		opts = &defaults;
	if (!q->decl.is_mutation)
		return err_set(e, ERR_BAD_REQUEST, "mutation execution called on a read query; use query instead");
	rc = branch_name_check(opts->branch ? opts->branch : "main", "mutate", &branch, e);
	if (!rc)
		rc = graph_authorize(g, "change", branch, NULL, opts->actor, e);
	if (!rc)
		rc = run(g, q, params, branch, opts, out, e);
	free(branch);
	if (rc)
		mutation_result_clear(out);
	return rc;
}

void mutation_result_clear(struct mutation_result *r)
{
	commit_info_clear(&r->commit);
	*r = (struct mutation_result){ 0 };
}

/* SPDX-License-Identifier: MIT */
#include "engine/store/validate.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include <omnigraph/map.h>

#include "engine/index/unique.h"
#include "engine/store/pattern.h"
#include "engine/store/tally.h"

#define TALLY_MIN_ROWS 4096 /* what is less may as well be remembered whole */

struct check {
	struct txn *t;
	const struct catalog *c;
	violation_fn report;
	void *arg;
	struct arena scratch;
	struct strbuf msg;
	struct err *e;
};

static int report(struct check *c, enum violation_kind kind, const struct type *t, struct str id, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
static int report(struct check *c, enum violation_kind kind, const struct type *t, struct str id, const char *fmt, ...)
{
	va_list ap;

	sb_reset(&c->msg);
	va_start(ap, fmt);
	sb_addv(&c->msg, fmt, ap);
	va_end(ap);
	return c->report(c->arg, &(struct violation){ kind, t, id, c->msg.s });
}

/* --- values --------------------------------------------------------------------------------------- */

static void number_text(char *out, double v)
{
	if (v == floor(v) && fabs(v) < 1e15)
		snprintf(out, 32, "%.0f", v);
	else
		out[fmt_f64(out, v)] = 0;
}

static double as_double(const struct val *v)
{
	switch (v->kind) {
	case VAL_I64:
		return (double)v->i;
	case VAL_U64:
		return (double)v->u;
	default:
		return v->f;
	}
}

static int check_range(struct check *c, const struct type *t, const struct range_check *r, const struct row_image *row)
{
	const struct val *v = &row->vals[r->prop];
	struct str p = t->props[r->prop].name;
	char value[40], bound[40];
	double d;

	if (val_is_null(v) || v->kind == VAL_LIST)
		return 0;
	d = as_double(v);
	if (isnan(d))
		return report(c, VIOLATION_VALUE, t, (struct str){ 0 }, "@range violation on %.*s.%.*s: value is NaN",
			      STR_ARG(t->name), STR_ARG(p));
	number_text(value, d);
	if (r->has_min && d < r->min) {
		number_text(bound, r->min);
		return report(c, VIOLATION_VALUE, t, (struct str){ 0 },
			      "@range violation on %.*s.%.*s: value %s < min %s", STR_ARG(t->name), STR_ARG(p), value,
			      bound);
	}
	if (r->has_max && d > r->max) {
		number_text(bound, r->max);
		return report(c, VIOLATION_VALUE, t, (struct str){ 0 },
			      "@range violation on %.*s.%.*s: value %s > max %s", STR_ARG(t->name), STR_ARG(p), value,
			      bound);
	}
	return 0;
}

static int check_ranges(struct check *c, const struct type *t)
{
	const struct row_image *row;
	struct txn_iter it;
	enum staged_kind k;
	struct str id;
	int rc = 0;

	for (uint32_t i = 0; !rc && i < t->n_ranges; i++) {
		txn_iter_init(&it, c->t, t);
		while (!rc && (k = txn_iter_next(&it, &id, &row)) != STAGED_NONE)
			if (k == STAGED_PUT)
				rc = check_range(c, t, &t->ranges[i], row);
	}
	return rc;
}

static int check_pattern(struct check *c, const struct type *t, const struct pattern_check *pc,
			 const struct pattern *re, const struct row_image *row)
{
	const struct val *v = &row->vals[pc->prop];
	struct str p = t->props[pc->prop].name;
	int found;

	if (v->kind != VAL_STR)
		return 0;
	found = pattern_search(re, val_text(v), c->e);
	if (found < 0) {
		err_prefix(c->e, "@check on %.*s.%.*s: ", STR_ARG(t->name), STR_ARG(p));
		return found;
	}
	if (found)
		return 0;
	return report(c, VIOLATION_VALUE, t, (struct str){ 0 },
		      "@check violation on %.*s.%.*s: value '%.*s' does not match pattern '%.*s'", STR_ARG(t->name),
		      STR_ARG(p), STR_ARG(val_text(v)), STR_ARG(pc->pattern));
}

static int check_patterns(struct check *c, const struct type *t)
{
	const struct row_image *row;
	struct pattern *re;
	struct txn_iter it;
	enum staged_kind k;
	struct str id;
	int rc = 0;

	if (!txn_staged_count(c->t, t))
		return 0;
	for (uint32_t i = 0; !rc && i < t->n_checks; i++) {
		const struct pattern_check *pc = &t->checks[i];

		rc = pattern_compile(pc->pattern, &re, c->e);
		if (rc) {
			err_prefix(c->e, "@check on %.*s.%.*s has invalid regex '%.*s': ", STR_ARG(t->name),
				   STR_ARG(t->props[pc->prop].name), STR_ARG(pc->pattern));
			return rc;
		}
		txn_iter_init(&it, c->t, t);
		while (!rc && (k = txn_iter_next(&it, &id, &row)) != STAGED_NONE)
			if (k == STAGED_PUT)
				rc = check_pattern(c, t, pc, re, row);
		pattern_free(re);
	}
	return rc;
}

static bool enum_has(const struct prop_type *t, struct str s)
{
	uint32_t lo = 0, hi = t->n_enum;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		int cmp = str_cmp(t->enum_values[mid], s);

		if (!cmp)
			return true;
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static int check_enum_value(struct check *c, const struct type *t, const struct prop *p, const struct val *v)
{
	struct strbuf allowed = STRBUF_INIT;
	int rc;

	if (v->kind == VAL_LIST) {
		for (uint32_t i = 0; i < v->n; i++) {
			rc = check_enum_value(c, t, p, &v->list[i]);
			if (rc)
				return rc;
		}
		return 0;
	}
	if (v->kind != VAL_STR || enum_has(&p->type, val_text(v)))
		return 0;
	for (uint32_t i = 0; i < p->type.n_enum; i++)
		sb_addf(&allowed, "%s%.*s", i ? ", " : "", STR_ARG(p->type.enum_values[i]));
	rc = report(c, VIOLATION_VALUE, t, (struct str){ 0 }, "invalid enum value '%.*s' for %.*s.%.*s (expected: %s)",
		    STR_ARG(val_text(v)), STR_ARG(t->name), STR_ARG(p->name), allowed.s);
	sb_free(&allowed);
	return rc;
}

static int check_enums(struct check *c, const struct type *t)
{
	const struct row_image *row;
	struct txn_iter it;
	enum staged_kind k;
	struct str id;
	int rc = 0;

	for (uint32_t i = 0; !rc && i < t->n_props; i++) {
		if (!t->props[i].type.n_enum)
			continue;
		txn_iter_init(&it, c->t, t);
		while (!rc && (k = txn_iter_next(&it, &id, &row)) != STAGED_NONE)
			if (k == STAGED_PUT)
				rc = check_enum_value(c, t, &t->props[i], &row->vals[i]);
	}
	return rc;
}

/* --- uniqueness ----------------------------------------------------------------------------------- */

int unique_violation_text(const struct type *t, const struct tuple *u, const struct row_image *row, struct str holder,
			  struct strbuf *out, struct err *e)
{
	struct strbuf cols = STRBUF_INIT, vals = STRBUF_INIT;
	bool many = u->n > 1;
	int rc = 0;

	for (uint32_t i = 0; !rc && i < u->n; i++) {
		struct str name = tuple_member_name(t, u->members[i]);
		struct val v = tuple_member_value(row, u->members[i]);

		sb_addf(&cols, "%s%.*s", i ? ", " : "", STR_ARG(name));
		sb_addz(&vals, i ? ", " : "");
		rc = val_key_text(&v, &vals, e);
	}
	if (!rc)
		sb_addf(out, "@unique violation on %.*s.%s%s%s: value '%s%s%s' held by '%.*s' and '%.*s'",
			STR_ARG(t->name), many ? "(" : "", cols.s, many ? ")" : "", many ? "(" : "",
			vals.s ? vals.s : "", many ? ")" : "", STR_ARG(holder), STR_ARG(row->id));
	sb_free(&cols);
	sb_free(&vals);
	return rc;
}

static int unique_violation(struct check *c, const struct type *t, const struct tuple *u, const struct row_image *row,
			    struct str holder)
{
	struct strbuf text = STRBUF_INIT;
	int rc = unique_violation_text(t, u, row, holder, &text, c->e);

	if (!rc)
		rc = report(c, VIOLATION_UNIQUE, t, row->id, "%s", text.s);
	sb_free(&text);
	return rc;
}

struct holder_search {
	struct check *c;
	const struct type *t;
	struct str found;
};

/* A committed row holds its old values only while this write leaves it alone. */
static int is_holder(void *arg, struct str id)
{
	struct holder_search *h = arg;

	if (txn_truncated(h->c->t, h->t) || txn_staged(h->c->t, h->t, id) != STAGED_NONE)
		return 0;
	h->found = arena_str(&h->c->scratch, id);
	return 1;
}

/* @seen: tuples of the rows so far -> the id that holds each; NULL when no two rows share one. */
static int check_tuple(struct check *c, const struct type *t, uint32_t which, struct map *seen,
		       const struct row_image *row)
{
	const struct tuple *u = &t->uniques[which];
	struct strbuf key = STRBUF_INIT;
	struct holder_search h = { .c = c, .t = t };
	const char *other;
	bool exempt;
	int rc = tuple_key(t, u, row, &key, &exempt, c->e);

	if (rc || exempt)
		goto out;
	other = seen ? map_get(seen, sb_str(&key)) : NULL;
	if (other) {
		rc = unique_violation(c, t, u, row, str_from(other));
		goto out;
	}
	if (seen)
		map_put(seen, arena_str(&c->scratch, sb_str(&key)),
			(void *)(uintptr_t)arena_str(&c->scratch, row->id).s);
	rc = unique_find(txn_base(c->t), t, which, sb_str(&key), is_holder, &h, c->e);
	if (rc > 0)
		rc = unique_violation(c, t, u, row, h.found);
out:
	sb_free(&key);
	return rc;
}

/* False: no two staged rows of a large write share the tuple. A row without a key is for the check itself to refuse. */
static bool may_repeat(struct check *c, const struct type *t, const struct tuple *u)
{
	size_t n = txn_staged_count(c->t, t);
	struct strbuf key = STRBUF_INIT;
	const struct row_image *row;
	bool repeats = n < TALLY_MIN_ROWS, exempt;
	struct tally seen;
	struct txn_iter it;

	if (repeats)
		return true;
	tally_init(&seen, n);
	txn_iter_init(&it, c->t, t);
	for (enum staged_kind k; !repeats && (k = txn_iter_next(&it, NULL, &row)) != STAGED_NONE;) {
		if (k != STAGED_PUT)
			continue;
		sb_reset(&key);
		repeats = tuple_key(t, u, row, &key, &exempt, NULL) || (!exempt && tally_add(&seen, sb_str(&key)) > 1);
	}
	tally_free(&seen);
	sb_free(&key);
	return repeats;
}

static int check_uniques(struct check *c, const struct type *t)
{
	const struct row_image *row;
	struct txn_iter it;
	enum staged_kind k;
	struct str id;
	int rc = 0;

	for (uint32_t i = 0; !rc && i < t->n_uniques; i++) {
		struct map seen = MAP_INIT;
		bool exact = may_repeat(c, t, &t->uniques[i]);

		txn_iter_init(&it, c->t, t);
		while (!rc && (k = txn_iter_next(&it, &id, &row)) != STAGED_NONE)
			if (k == STAGED_PUT)
				rc = check_tuple(c, t, i, exact ? &seen : NULL, row);
		map_free(&seen);
	}
	return rc;
}

/* --- endpoints ------------------------------------------------------------------------------------ */

static int dangling(struct check *c, const struct type *et, struct str edge_id, bool src, struct str end)
{
	const struct type *nt = src ? et->from : et->to;

	return report(c, VIOLATION_ENDPOINT, et, edge_id, "%s '%.*s' not found in %.*s", src ? "src" : "dst",
		      STR_ARG(end), STR_ARG(nt->name));
}

static int check_edge_ends(struct check *c, const struct type *et, struct str id, struct str src, struct str dst)
{
	int rc = 0;

	if (!txn_exists(c->t, et->from, src))
		rc = dangling(c, et, id, true, src);
	if (!rc && !txn_exists(c->t, et->to, dst))
		rc = dangling(c, et, id, false, dst);
	return rc;
}

static bool edge_is_retained(struct check *c, const struct type *et, struct str id)
{
	return !txn_truncated(c->t, et) && txn_staged(c->t, et, id) == STAGED_NONE;
}

/* Retained edges at one side of a node that goes away. */
static int check_removed_node(struct check *c, const struct type *et, bool outgoing, struct str node)
{
	struct snapshot *base = txn_base(c->t);
	struct edge_iter it;
	rowref edge;
	int rc = 0;

	edge_iter_init_id(&it, base, et, outgoing, node);
	while (!rc && edge_iter_next(&it, &edge, NULL)) {
		struct str id = row_id(base, et, edge);

		if (edge_is_retained(c, et, id))
			rc = dangling(c, et, id, outgoing, node);
	}
	return rc;
}

/* All retained edges of a type, after an overwrite of a node type they touch. */
static int check_all_edges(struct check *c, const struct type *et)
{
	struct snapshot *base = txn_base(c->t);
	struct row_scan sc;
	rowref r;
	int rc = 0;

	row_scan_init(&sc, base, et);
	while (!rc && (r = row_scan_next(&sc)) != ROW_NONE) {
		struct str id = row_id(base, et, r);

		if (edge_is_retained(c, et, id))
			rc = check_edge_ends(c, et, id, row_src(base, et, r), row_dst(base, et, r));
	}
	return rc;
}

static int check_removed_nodes(struct check *c, const struct type *et, const struct type *nt, bool outgoing)
{
	const struct row_image *row;
	struct txn_iter it;
	enum staged_kind k;
	struct str id;
	int rc = 0;

	txn_iter_init(&it, c->t, nt);
	while (!rc && (k = txn_iter_next(&it, &id, &row)) != STAGED_NONE)
		if (k == STAGED_DELETE)
			rc = check_removed_node(c, et, outgoing, id);
	return rc;
}

static int check_endpoints(struct check *c, const struct type *et)
{
	const struct row_image *row;
	struct txn_iter it;
	enum staged_kind k;
	struct str id;
	int rc = 0;

	txn_iter_init(&it, c->t, et);
	while (!rc && (k = txn_iter_next(&it, &id, &row)) != STAGED_NONE)
		if (k == STAGED_PUT)
			rc = check_edge_ends(c, et, id, row->src, row->dst);
	if (rc)
		return rc;
	if (txn_truncated(c->t, et->from) || txn_truncated(c->t, et->to))
		return check_all_edges(c, et);
	rc = check_removed_nodes(c, et, et->from, true);
	if (!rc)
		rc = check_removed_nodes(c, et, et->to, false);
	return rc;
}

/* --- cardinality ---------------------------------------------------------------------------------- */

struct source_count {
	uint64_t staged; /* edges of the source among the staged puts */
};

static struct source_count *touch(struct check *c, struct map *sources, struct str src)
{
	struct source_count *s = map_get(sources, src);

	if (!s) {
		s = arena_new(&c->scratch, struct source_count);
		map_put(sources, arena_str(&c->scratch, src), s);
	}
	return s;
}

/* Sources whose edges this write adds, moves or removes (engine.md 9; 8.5 for overwritten types). */
static void touched_sources(struct check *c, const struct type *et, struct map *sources)
{
	struct snapshot *base = txn_base(c->t);
	const struct row_image *row;
	struct txn_iter it;
	enum staged_kind k;
	struct str id;

	txn_iter_init(&it, c->t, et);
	while ((k = txn_iter_next(&it, &id, &row)) != STAGED_NONE) {
		rowref old = txn_truncated(c->t, et) ? ROW_NONE : row_find(base, et, id);

		if (k == STAGED_PUT)
			touch(c, sources, row->src)->staged++;
		if (old != ROW_NONE)
			touch(c, sources, row_src(base, et, old));
	}
}

static uint64_t retained_edges(struct check *c, const struct type *et, struct str src)
{
	struct snapshot *base = txn_base(c->t);
	struct edge_iter it;
	uint64_t n = 0;
	rowref edge;

	if (txn_truncated(c->t, et))
		return 0;
	edge_iter_init_id(&it, base, et, true, src);
	while (edge_iter_next(&it, &edge, NULL))
		n += edge_is_retained(c, et, row_id(base, et, edge));
	return n;
}

static int check_source(struct check *c, const struct type *et, struct str src, uint64_t staged)
{
	uint64_t n;

	if (!txn_exists(c->t, et->from, src))
		return 0;
	n = staged + retained_edges(c, et, src);
	if (n < et->card_min)
		return report(c, VIOLATION_CARD, et, (struct str){ 0 },
			      "@card violation on edge %.*s: source '%.*s' has %llu edges (min %u)", STR_ARG(et->name),
			      STR_ARG(src), (unsigned long long)n, et->card_min);
	if (et->card_max != UINT32_MAX && n > et->card_max)
		return report(c, VIOLATION_CARD, et, (struct str){ 0 },
			      "@card violation on edge %.*s: source '%.*s' has %llu edges (max %u)", STR_ARG(et->name),
			      STR_ARG(src), (unsigned long long)n, et->card_max);
	return 0;
}

/* True: a large write is all there is of the type, and every source it names has as many edges as it may. */
static bool surely_within(struct check *c, const struct type *et)
{
	size_t n = txn_staged_count(c->t, et);
	const struct row_image *row;
	struct tally sources;
	struct txn_iter it;
	bool within = true;

	/* sources that share a hash could hide one that has too few, but for the one edge that brought it here */
	if (n < TALLY_MIN_ROWS || et->card_min > 1 || (!txn_truncated(c->t, et) && snapshot_count(txn_base(c->t), et)))
		return false;
	tally_init(&sources, n);
	txn_iter_init(&it, c->t, et);
	for (enum staged_kind k; within && (k = txn_iter_next(&it, NULL, &row)) != STAGED_NONE;) {
		if (k == STAGED_PUT)
			within = tally_add(&sources, row->src) <= et->card_max;
	}
	tally_free(&sources);
	return within;
}

static int check_cardinality(struct check *c, const struct type *et)
{
	struct map sources = MAP_INIT;
	int rc = 0;

	if (!et->has_card || (et->card_min == 0 && et->card_max == UINT32_MAX) || surely_within(c, et))
		return 0;
	touched_sources(c, et, &sources);
	for (struct map_entry *m = map_first(&sources); !rc && m; m = map_next(&sources, m))
		rc = check_source(c, et, m->key, ((struct source_count *)m->value)->staged);
	map_free(&sources);
	return rc;
}

/* --- all ------------------------------------------------------------------------------------------ */

static int each_type(struct check *c, int kinds, int (*fn)(struct check *, const struct type *))
{
	int rc = 0;

	for (uint32_t i = 0; !rc && i < c->c->n_types; i++)
		if (kinds & (1 << c->c->types[i].kind))
			rc = fn(c, &c->c->types[i]);
	return rc;
}

#define NODES (1 << TYPE_NODE)
#define EDGES (1 << TYPE_EDGE)

static int check_edge_type(struct check *c, const struct type *et)
{
	int rc = check_uniques(c, et);

	if (!rc)
		rc = check_endpoints(c, et);
	if (!rc)
		rc = check_cardinality(c, et);
	return rc;
}

static int check_ranges_and_patterns(struct check *c, const struct type *t)
{
	int rc = check_ranges(c, t);

	return rc ? rc : check_patterns(c, t);
}

static int check_values(struct check *c)
{
	int rc = each_type(c, NODES | EDGES, check_ranges_and_patterns);

	return rc ? rc : each_type(c, NODES | EDGES, check_enums);
}

int txn_check(struct txn *t, violation_fn fn, void *arg, struct err *e)
{
	struct check c = { .t = t, .c = snapshot_catalog(txn_base(t)), .report = fn, .arg = arg, .e = e };
	int rc = check_values(&c);

	if (!rc)
		rc = each_type(&c, NODES, check_uniques);
	if (!rc)
		rc = each_type(&c, EDGES, check_edge_type);
	arena_free(&c.scratch);
	sb_free(&c.msg);
	return rc;
}

static int first_violation(void *arg, const struct violation *v)
{
	return err_set(arg, ERR_BAD_REQUEST, "%s", v->message);
}

int txn_validate_values(struct txn *t, struct err *e)
{
	struct check c = { .t = t, .c = snapshot_catalog(txn_base(t)), .report = first_violation, .arg = e, .e = e };
	int rc = check_values(&c);

	arena_free(&c.scratch);
	sb_free(&c.msg);
	return rc;
}

int txn_validate(struct txn *t, struct err *e)
{
	return txn_check(t, first_violation, e, e);
}

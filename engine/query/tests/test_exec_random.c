/* SPDX-License-Identifier: MIT */
/*
 * Random small graphs and random matches, compared with a brute force that tries every assignment of the variables and asks each
 * clause, by the definitions of spec/query.md 6, whether it holds. Deterministic: the seeds are fixed.
 */
#include "fixture.h"

#define SCHEMA                                 \
	"node A { k: String @key  x: I32? }\n" \
	"node B { k: String @key  x: I32? }\n" \
	"edge R: A -> A { w: I32? }\n"         \
	"edge S: A -> B { w: I32? }\n"

#define NODES 4	    /* of each type */
#define EDGES_MAX 9 /* of each type */
#define VARS_MAX 4  /* outer; two more inside `not` */
#define FAR 99

struct oracle {
	uint64_t seed;
	int x[2][NODES]; /* -1: null */
	int n_edges[2];	 /* R, S */
	int src[2][EDGES_MAX], dst[2][EDGES_MAX];
	int dist[2][NODES][NODES]; /* over R: directed, undirected */
	bool loop[NODES];
};

enum kind { C_MATCH, C_HOPS, C_EDGE, C_CMP, C_NOT };

struct rclause {
	enum kind kind;
	int l, r;     /* variables; C_MATCH: l */
	int edge;     /* 0 R, 1 S: l is an A, r a B */
	bool swapped; /* S written from the B side */
	bool undirected;
	int min, max, ev; /* ev: index among bound edges */
	int op, value;	  /* comparison of x */
	bool prop;	  /* with r.x, else with value */
	int n_inner;
	struct rclause *inner;
};

static unsigned rnd(struct oracle *o, unsigned n)
{
	o->seed = o->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(o->seed >> 33) % n;
}

/* --- the graph ----------------------------------------------------------------------------------------- */

static void distances(struct oracle *o)
{
	for (int u = 0; u < 2; u++) {
		for (int i = 0; i < NODES; i++)
			for (int j = 0; j < NODES; j++)
				o->dist[u][i][j] = i == j ? 0 : FAR;
		for (int e = 0; e < o->n_edges[0]; e++) {
			int a = o->src[0][e], b = o->dst[0][e];

			o->loop[a] |= a == b;
			if (a == b)
				continue;
			o->dist[u][a][b] = 1;
			if (u)
				o->dist[u][b][a] = 1;
		}
		for (int k = 0; k < NODES; k++)
			for (int i = 0; i < NODES; i++)
				for (int j = 0; j < NODES; j++)
					if (o->dist[u][i][k] + o->dist[u][k][j] < o->dist[u][i][j])
						o->dist[u][i][j] = o->dist[u][i][k] + o->dist[u][k][j];
	}
}

static void make_graph(struct oracle *o, struct fix *f)
{
	struct strbuf sb = STRBUF_INIT;

	for (int t = 0; t < 2; t++) {
		for (int i = 0; i < NODES; i++) {
			o->x[t][i] = (int)rnd(o, 4) - 1;
			sb_addf(&sb, "{\"type\":\"%c\",\"data\":{\"k\":\"n%d\"", "AB"[t], i);
			if (o->x[t][i] >= 0)
				sb_addf(&sb, ",\"x\":%d", o->x[t][i]);
			sb_addz(&sb, "}}\n");
		}
		o->n_edges[t] = (int)rnd(o, EDGES_MAX + 1);
		for (int e = 0; e < o->n_edges[t]; e++) {
			o->src[t][e] = (int)rnd(o, NODES);
			o->dst[t][e] = (int)rnd(o, NODES);
			sb_addf(&sb, "{\"edge\":\"%c\",\"from\":\"n%d\",\"to\":\"n%d\",\"data\":{\"w\":%d}}\n", "RS"[t],
				o -> src[t][e], o -> dst[t][e], e);
		}
	}
	distances(o);
	fix_open(f, SCHEMA);
	fix_write(f, sb.s);
	sb_free(&sb);
}

/* --- what a clause means ---------------------------------------------------------------------------------- */

struct assign {
	const int *type; /* by variable: 0 A, 1 B */
	int node[VARS_MAX + 2];
	int edge[4]; /* of each bound edge */
};

static bool adjacent(const struct oracle *o, const struct rclause *c, int e, int l, int r)
{
	return (o->src[c->edge][e] == l && o->dst[c->edge][e] == r) ||
	       (c->undirected && o->src[c->edge][e] == r && o->dst[c->edge][e] == l);
}

static bool hops_hold(const struct oracle *o, const struct rclause *c, int l, int r)
{
	int d;

	if (c->edge == 1) {
		for (int e = 0; e < o->n_edges[1]; e++) {
			if (adjacent(o, c, e, l, r))
				return c->min == 1;
		}
		return false;
	}
	d = o->dist[c->undirected][l][r];
	return (d >= 1 && d >= c->min && d <= c->max) || (o->loop[r] && d == c->min - 1);
}

static bool cmp_holds(const struct oracle *o, const struct rclause *c, const struct assign *a)
{
	int l = o->x[a->type[c->l]][a->node[c->l]], r = c->prop ? o->x[a->type[c->r]][a->node[c->r]] : c->value;

	if (l < 0 || r < 0)
		return false;
	return c->op == 0 ? l == r : c->op == 1 ? l != r : l < r;
}

static bool any_inner(const struct oracle *o, const struct rclause *c, struct assign *a, int var, int vars);

static bool holds(const struct oracle *o, const struct rclause *c, struct assign *a, int vars)
{
	switch (c->kind) {
	case C_MATCH:
		return c->value < 0 || o->x[a->type[c->l]][a->node[c->l]] == c->value;
	case C_HOPS:
		return hops_hold(o, c, a->node[c->l], a->node[c->r]);
	case C_EDGE:
		return adjacent(o, c, a->edge[c->ev], a->node[c->l], a->node[c->r]);
	case C_CMP:
		return cmp_holds(o, c, a);
	default:
		return !any_inner(o, c, a, vars, vars + 1);
	}
}

/* `not` introduces one variable: @var. */
static bool any_inner(const struct oracle *o, const struct rclause *c, struct assign *a, int var, int vars)
{
	for (int i = 0; i < NODES; i++) {
		bool ok = true;

		a->node[var] = i;
		for (int k = 0; ok && k < c->n_inner; k++)
			ok = holds(o, &c->inner[k], a, vars);
		if (ok)
			return true;
	}
	return false;
}

/* --- random queries ------------------------------------------------------------------------------------------- */

struct rquery {
	int n_vars, n_edges, n;
	int type[VARS_MAX + 2];
	struct rclause c[16];
};

static void random_traversal(struct oracle *o, struct rclause *c, const int *type, int l, int r, bool may_bind,
			     int *n_edges)
{
	c->kind = C_HOPS;
	c->min = c->max = 1;
	c->edge = type[l] != type[r];
	c->l = type[l] == 1 ? r : l;
	c->r = type[l] == 1 ? l : r;
	if (c->edge) {
		c->swapped = rnd(o, 2);
	} else {
		c->undirected = rnd(o, 3) == 0;
	}
	if (may_bind && *n_edges < 2 && rnd(o, 4) == 0) {
		c->kind = C_EDGE;
		c->ev = (*n_edges)++;
	} else if (rnd(o, 3) == 0) {
		c->min = 1 + (int)rnd(o, 3);
		c->max = c->min + (int)rnd(o, 3);
	}
}

static void random_cmp(struct oracle *o, struct rclause *c, int l, int vars)
{
	c->kind = C_CMP;
	c->l = l;
	c->r = (int)rnd(o, (unsigned)vars);
	c->prop = rnd(o, 2);
	c->value = (int)rnd(o, 3);
	c->op = (int)rnd(o, 3);
}

/* not { a traversal from an outer variable to a new A, perhaps a comparison, perhaps a nested not } */
static void random_not(struct oracle *o, struct arena *m, struct rclause *c, int *type, int vars, int depth)
{
	int outer = (int)rnd(o, (unsigned)vars), none = 9;

	c->kind = C_NOT;
	c->inner = arena_array(m, struct rclause, 3);
	type[vars] = 0;
	random_traversal(o, &c->inner[c->n_inner++], type, outer, vars, false, &none);
	if (rnd(o, 2))
		random_cmp(o, &c->inner[c->n_inner++], vars, vars + 1);
	if (depth && rnd(o, 2))
		random_not(o, m, &c->inner[c->n_inner++], type, vars + 1, depth - 1);
}

static void random_query(struct oracle *o, struct arena *m, struct rquery *q)
{
	*q = (struct rquery){ .n_vars = 1 + (int)rnd(o, VARS_MAX) };
	for (int v = 0; v < q->n_vars; v++)
		q->type[v] = rnd(o, 4) == 0;
	for (int v = 0; v < q->n_vars; v++) {
		/* all have a pattern, so everything is connected */
		q->c[q->n++] =
			(struct rclause){ .kind = C_MATCH, .l = v, .value = (int)rnd(o, 6) < 3 ? -1 : (int)rnd(o, 3) };
	}
	for (int i = (int)rnd(o, 4); i > 0; i--) {
		int l = (int)rnd(o, (unsigned)q->n_vars), r = (int)rnd(o, (unsigned)q->n_vars);

		if (q->type[l] && q->type[r])
			continue;
		random_traversal(o, &q->c[q->n++], q->type, l, r, true, &q->n_edges);
	}
	for (int i = (int)rnd(o, 3); i > 0; i--)
		random_cmp(o, &q->c[q->n++], (int)rnd(o, (unsigned)q->n_vars), q->n_vars);
	for (int i = (int)rnd(o, 3); i > 0; i--)
		random_not(o, m, &q->c[q->n++], q->type, q->n_vars, 1);
}

static void print_traversal(struct strbuf *sb, const struct rclause *c)
{
	sb_addf(sb, " $v%d ", c->swapped ? c->r : c->l);
	if (c->kind == C_EDGE)
		sb_addf(sb, "$e%d:", c->ev);
	sb_addf(sb, c->undirected ? "<%c>" : "%c", "rs"[c->edge]);
	if (c->min != 1 || c->max != 1)
		sb_addf(sb, "{%d,%d}", c->min, c->max);
	sb_addf(sb, " $v%d", c->swapped ? c->l : c->r);
}

static void print_clause(struct strbuf *sb, const struct rclause *c, const int *type)
{
	static const char *const ops[] = { "=", "!=", "<" };

	switch (c->kind) {
	case C_MATCH:
		sb_addf(sb, " $v%d: %c", c->l, "AB"[type[c->l]]);
		if (c->value >= 0)
			sb_addf(sb, " { x: %d }", c->value);
		break;
	case C_CMP:
		sb_addf(sb, " $v%d.x %s ", c->l, ops[c->op]);
		if (c->prop)
			sb_addf(sb, "$v%d.x", c->r);
		else
			sb_addf(sb, "%d", c->value);
		break;
	case C_NOT:
		sb_addz(sb, " not {");
		for (int i = 0; i < c->n_inner; i++)
			print_clause(sb, &c->inner[i], type);
		sb_addz(sb, " }");
		break;
	default:
		print_traversal(sb, c);
	}
}

static void print_query(struct strbuf *sb, const struct rquery *q)
{
	sb_addz(sb, "query q() { match {");
	for (int i = 0; i < q->n; i++)
		print_clause(sb, &q->c[i], q->type);
	sb_addz(sb, " } return {");
	for (int v = 0; v < q->n_vars; v++)
		sb_addf(sb, " $v%d", v);
	for (int e = 0; e < q->n_edges; e++)
		sb_addf(sb, " $e%d.w", e);
	sb_addz(sb, " } }");
}

/* --- all assignments -------------------------------------------------------------------------------------------- */

struct rows {
	char **line;
	size_t n, cap;
};

static void emit(struct rows *r, struct arena *m, const struct rquery *q, const struct assign *a)
{
	struct strbuf sb = STRBUF_INIT;

	for (int v = 0; v < q->n_vars; v++)
		sb_addf(&sb, "%s\"n%d\"", v ? "," : "", a->node[v]);
	for (int e = 0; e < q->n_edges; e++)
		sb_addf(&sb, ",%d", a->edge[e]);
	MEM_GROW(r->line, r->n, r->cap);
	r->line[r->n++] = arena_strdup(m, sb.s);
	sb_free(&sb);
}

static int edge_type_of(const struct rquery *q, int ev)
{
	for (int i = 0; i < q->n; i++) {
		if (q->c[i].kind == C_EDGE && q->c[i].ev == ev)
			return q->c[i].edge;
	}
	return 0;
}

static void enumerate(const struct oracle *o, const struct rquery *q, struct arena *m, struct rows *rows)
{
	long total = 1;

	for (int v = 0; v < q->n_vars; v++)
		total *= NODES;
	for (int e = 0; e < q->n_edges; e++)
		total *= o->n_edges[edge_type_of(q, e)];
	for (long i = 0; i < total; i++) {
		struct assign a = { .type = q->type };
		long rest = i;
		bool ok = true;

		for (int v = 0; v < q->n_vars; v++, rest /= NODES)
			a.node[v] = (int)(rest % NODES);
		for (int e = 0; e < q->n_edges; e++) {
			int n = o->n_edges[edge_type_of(q, e)];

			a.edge[e] = (int)(rest % n);
			rest /= n;
		}
		for (int k = 0; ok && k < q->n; k++)
			ok = holds(o, &q->c[k], &a, q->n_vars);
		if (ok)
			emit(rows, m, q, &a);
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t compare_one(struct oracle *o, struct fix *f)
{
	struct strbuf src = STRBUF_INIT, want = STRBUF_INIT;
	struct rows rows = { 0 };
	struct rquery q;
	const char *got;
	size_t n;

	random_query(o, &f->a, &q);
	print_query(&src, &q);
	enumerate(o, &q, &f->a, &rows);
	if (rows.n)
		qsort(rows.line, rows.n, sizeof(*rows.line), by_text);
	for (size_t i = 0; i < rows.n; i++)
		sb_addf(&want, "%s%s", i ? "; " : "", rows.line[i]);
	got = fix_bag(f, src.s, NULL);
	CHECK_MSG(!strcmp(got, want.n ? want.s : ""), "%s\n#   got  %s\n#   want %s", src.s, got, want.s);
	n = rows.n;
	free(rows.line);
	sb_free(&src);
	sb_free(&want);
	return n;
}

static void random_matches(void)
{
	size_t rows = 0;

	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct oracle o = { .seed = seed * 7919 };
		struct fix f;

		make_graph(&o, &f);
		for (int i = 0; i < 25; i++)
			rows += compare_one(&o, &f);
		fix_close(&f);
	}
	CHECK(rows > 1000);
}

CHECK_MAIN("engine/query/random",
	   { "QRY-08 QRY-09 QRY-10 QRY-15 QRY-16 QRY-17 QRY-18 QRY-21 QRY-22 random matches agree with brute force",
	     random_matches }, )

/* SPDX-License-Identifier: MIT */
#include "net/run_query.h"

#define CONDITION "Omnigraph-If-Graph-Commit"

/* The engine only knows that there is no embedder; the environment's problem is a fault of the server (spec/server.md 9.1). */
static int explain_embedding(struct request *r, int rc)
{
	const char *why = r->graph->embed_why;

	if (!why || r->graph->embedder || r->err.code != ERR_QUERY || !strstr(err_msg(&r->err), "embedding provider"))
		return rc;
	return err_set(&r->err, ERR_INTERNAL, "%s", why);
}

int run_read(struct request *r, struct snapshot *s, const struct query *q, const struct json *params,
	     const struct read_target *t, bool with_commit)
{
	struct query_target target = { .branch = t->branch, .snapshot = t->snapshot };
	struct val *vals;
	int rc = query_bind(q, &r->arena, params, &vals, &r->err);

	if (!rc)
		rc = graph_query(r->graph->graph, s, q, vals, &target, with_commit, &r->out, &r->err);
	return rc ? explain_embedding(r, rc) : 0;
}

uint64_t write_estimate(const struct write_request *w)
{
	struct strbuf b = STRBUF_INIT;
	uint64_t n = w->source.n;

	if (w->params) {
		json_compact(&b, w->params);
		n += b.n;
	}
	sb_free(&b);
	return n;
}

static void put_receipt(struct request *r, const struct query *q, const struct write_request *w,
			const struct mutation_result *m)
{
	struct json_writer jw;

	jw_init(&jw, &r->out, false);
	jw_begin_object(&jw);
	jw_kstrz(&jw, "branch", w->branch);
	jw_kstr(&jw, "query_name", query_name(q));
	jw_ku64(&jw, "affected_nodes", m->affected_nodes);
	jw_ku64(&jw, "affected_edges", m->affected_edges);
	jw_kstrz(&jw, "actor_id", r->actor);
	jw_keyz(&jw, "commit");
	if (m->has_commit)
		commit_info_json(&jw, &m->commit);
	else
		jw_null(&jw);
	jw_end_object(&jw);
}

int run_write(struct request *r, const struct query *q, const struct write_request *w)
{
	struct write_opts opts = { .branch = w->branch, .actor = r->actor, .expected_head = w->expected_head };
	struct mutation_result m = { 0 };
	struct val *vals;
	int rc = query_bind(q, &r->arena, w->params, &vals, &r->err);

	if (!rc)
		rc = graph_mutate(r->graph->graph, q, vals, &opts, &m, &r->err);
	if (!rc)
		put_receipt(r, q, w, &m);
	mutation_result_clear(&m);
	return rc;
}

int condition_absent(struct request *r, const char *route)
{
	if (!http_header(r->x, CONDITION, NULL))
		return 0;
	return err_set(&r->err, ERR_BAD_REQUEST, CONDITION " requires the fail-closed conditional route %s", route);
}

static bool is_visible_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.s[i] != '\t' && ((unsigned char)s.s[i] < 0x20 || (unsigned char)s.s[i] >= 0x7f))
			return false;
	return true;
}

int condition_value(struct request *r, const char **out)
{
	struct str v;
	unsigned n = http_header(r->x, CONDITION, &v);

	*out = NULL;
	if (!n)
		return err_set(&r->err, ERR_BAD_REQUEST, CONDITION " is required on this conditional mutation route");
	if (n > 1)
		return err_set(&r->err, ERR_BAD_REQUEST, CONDITION " must be sent exactly once");
	if (!is_visible_ascii(v))
		return err_set(&r->err, ERR_BAD_REQUEST, CONDITION " is not valid UTF-8");
	v = str_trim_ascii(v);
	if (!v.n)
		return err_set(&r->err, ERR_BAD_REQUEST, CONDITION " must name a graph commit id");
	if (str_eqz(v, "*") || str_starts(v, STR("W/")) || v.s[0] == '"' || v.s[v.n - 1] == '"' ||
	    memchr(v.s, ',', v.n))
		return err_set(&r->err, ERR_BAD_REQUEST,
			       CONDITION " must contain one raw graph commit id, not entity-tag syntax");
	*out = arena_str(&r->arena, v).s;
	return 0;
}

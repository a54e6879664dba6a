/* SPDX-License-Identifier: MIT */
#include <omnigraph/limits.h>
#include <omnigraph/mem.h>

#include "net/router.h"

/* Segments of one path: "*" captures, "{g}" is the graph. Statics stand before captures of the same place. */
struct path_entry {
	const char *path;
	bool public;
	struct {
		const char *method;
		enum operation op;
	} on[3]; /* GET answers HEAD too, unless HEAD has its own */
	const char *allow;
};

static const struct path_entry paths[] = {
	{ "/healthz", true, { { "GET", OP_HEALTH } }, "GET, HEAD" },
	{ "/openapi.json", true, { { "GET", OP_OPENAPI } }, "GET, HEAD" },
	{ "/graphs", false, { { "GET", OP_LIST_GRAPHS } }, "GET, HEAD" },
	{ "/graphs/{g}/snapshot", false, { { "GET", OP_SNAPSHOT } }, "GET, HEAD" },
	{ "/graphs/{g}/query", false, { { "POST", OP_QUERY } }, "POST" },
	{ "/graphs/{g}/read", false, { { "POST", OP_READ } }, "POST" },
	{ "/graphs/{g}/blob", false, { { "GET", OP_GET_BLOB }, { "HEAD", OP_HEAD_BLOB } }, "GET, HEAD" },
	{ "/graphs/{g}/export", false, { { "POST", OP_EXPORT } }, "POST" },
	{ "/graphs/{g}/mutate", false, { { "POST", OP_MUTATE } }, "POST" },
	{ "/graphs/{g}/change", false, { { "POST", OP_CHANGE } }, "POST" },
	{ "/graphs/{g}/mutate/if-graph-commit", false, { { "POST", OP_MUTATE_IF } }, "POST" },
	{ "/graphs/{g}/schema", false, { { "GET", OP_GET_SCHEMA } }, "GET, HEAD" },
	{ "/graphs/{g}/schema/apply", false, { { "POST", OP_APPLY_SCHEMA } }, "POST" },
	{ "/graphs/{g}/queries", false, { { "GET", OP_LIST_QUERIES } }, "GET, HEAD" },
	{ "/graphs/{g}/queries/*", false, { { "POST", OP_INVOKE } }, "POST" },
	{ "/graphs/{g}/queries/*/if-graph-commit", false, { { "POST", OP_INVOKE_IF } }, "POST" },
	{ "/graphs/{g}/load", false, { { "POST", OP_LOAD } }, "POST" },
	{ "/graphs/{g}/ingest", false, { { "POST", OP_INGEST } }, "POST" },
	{ "/graphs/{g}/load/ndjson", false, { { "POST", OP_LOAD_NDJSON } }, "POST" },
	{ "/graphs/{g}/branches",
	  false,
	  { { "GET", OP_LIST_BRANCHES }, { "POST", OP_CREATE_BRANCH } },
	  "GET, HEAD, POST" },
	{ "/graphs/{g}/branches/merge", false, { { "POST", OP_MERGE } }, "POST" },
	{ "/graphs/{g}/branches/*", false, { { "DELETE", OP_DELETE_BRANCH } }, "DELETE" },
	{ "/graphs/{g}/commits", false, { { "GET", OP_LIST_COMMITS } }, "GET, HEAD" },
	{ "/graphs/{g}/commits/*", false, { { "GET", OP_GET_COMMIT } }, "GET, HEAD" },
	{ "/graphs/{g}/commits/*/changes", false, { { "GET", OP_COMMIT_CHANGES } }, "GET, HEAD" },
	{ "/graphs/{g}/changes", false, { { "GET", OP_POLL_CHANGES } }, "GET, HEAD" },
	{ "/graphs/{g}/changes/baseline", false, { { "POST", OP_BASELINE } }, "POST" },
};

static const char *const names[OP_COUNT] = {
	[OP_HEALTH] = "health",
	[OP_OPENAPI] = "openapi",
	[OP_LIST_GRAPHS] = "listGraphs",
	[OP_SNAPSHOT] = "cluster_getSnapshot",
	[OP_QUERY] = "cluster_query",
	[OP_READ] = "cluster_read",
	[OP_GET_BLOB] = "cluster_getBlob",
	[OP_HEAD_BLOB] = "cluster_headBlob",
	[OP_EXPORT] = "cluster_export",
	[OP_MUTATE] = "cluster_mutate",
	[OP_CHANGE] = "cluster_change",
	[OP_MUTATE_IF] = "cluster_mutate_if_graph_commit",
	[OP_GET_SCHEMA] = "cluster_getSchema",
	[OP_APPLY_SCHEMA] = "cluster_applySchema",
	[OP_LIST_QUERIES] = "cluster_list_queries",
	[OP_INVOKE] = "cluster_invoke_query",
	[OP_INVOKE_IF] = "cluster_invoke_query_if_graph_commit",
	[OP_LOAD] = "cluster_load",
	[OP_INGEST] = "cluster_ingest",
	[OP_LOAD_NDJSON] = "cluster_loadNdjson",
	[OP_LIST_BRANCHES] = "cluster_listBranches",
	[OP_CREATE_BRANCH] = "cluster_createBranch",
	[OP_DELETE_BRANCH] = "cluster_deleteBranch",
	[OP_MERGE] = "cluster_mergeBranches",
	[OP_LIST_COMMITS] = "cluster_listCommits",
	[OP_GET_COMMIT] = "cluster_getCommit",
	[OP_COMMIT_CHANGES] = "cluster_getCommitChanges",
	[OP_POLL_CHANGES] = "cluster_pollChanges",
	[OP_BASELINE] = "cluster_captureChangeBaseline",
};

const char *operation_name(enum operation op)
{
	return (unsigned)op < OP_COUNT ? names[op] : "?";
}

/* The next segment of *at (which begins with '/'); *at moves behind it. */
static struct str next_segment(struct str *at)
{
	const char *s = at->s + 1, *end = at->s + at->n;
	const char *slash = s < end ? memchr(s, '/', (size_t)(end - s)) : NULL;
	struct str seg = { s, (size_t)((slash ? slash : end) - s) };

	*at = slash ? (struct str){ slash, (size_t)(end - slash) } : (struct str){ end, 0 };
	return seg;
}

static bool segment_fits(struct str pattern, struct str seg, struct route_match *m)
{
	if (str_eq(pattern, STR("{g}"))) {
		m->has_graph = true;
		m->graph = seg;
		return seg.n > 0;
	}
	if (str_eq(pattern, STR("*"))) {
		m->capture = seg;
		return seg.n > 0;
	}
	return str_eq(pattern, seg);
}

static bool path_fits(const char *pattern, struct str path, struct route_match *m)
{
	struct str p = str_from(pattern);

	m->has_graph = false;
	m->graph = m->capture = (struct str){ "", 0 };
	while (p.n && path.n)
		if (!segment_fits(next_segment(&p), next_segment(&path), m))
			return false;
	return !p.n && !path.n;
}

static void pick_method(const struct path_entry *e, struct str method, struct route_match *m)
{
	struct str as_get = str_eq(method, STR("HEAD")) ? STR("GET") : method;

	for (size_t i = 0; i < ARRAY_SIZE(e->on) && e->on[i].method; i++) {
		if (str_eqz(method, e->on[i].method) || (!m->method_ok && str_eqz(as_get, e->on[i].method))) {
			m->method_ok = true;
			m->op = e->on[i].op;
		}
	}
}

/* "http://host/path" means "/path" (RFC 9112 3.2.2). */
static struct str origin_form(struct str path)
{
	const char *slash;

	if (path.n < 8 || !str_eq_nocase((struct str){ path.s, 7 }, STR("http://")))
		return path;
	slash = memchr(path.s + 7, '/', path.n - 7);
	return slash ? (struct str){ slash, (size_t)(path.s + path.n - slash) } : STR("/");
}

void route_match(struct str path, struct str method, struct route_match *out)
{
	memset(out, 0, sizeof(*out));
	path = origin_form(path);
	if (!path.n || path.s[0] != '/')
		return;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		if (!path_fits(paths[i].path, path, out))
			continue;
		out->found = true;
		out->public = paths[i].public;
		out->allow = paths[i].allow;
		pick_method(&paths[i], method, out);
		return;
	}
	out->has_graph = false;
}

int graph_id_check(struct str s, struct err *e)
{
	static const char *const reserved[] = { "policies", "healthz", "openapi", "graphs" };

	if (s.n > LIMIT_GRAPH_ID_BYTES)
		return err_set(e, ERR_BAD_REQUEST, "graph_id '%.*s' is %zu chars; max %d", STR_ARG(s), s.n,
			       LIMIT_GRAPH_ID_BYTES);
	for (size_t i = 0; i < s.n; i++) {
		char c = s.s[i];

		if ((c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-')
			return err_set(e, ERR_BAD_REQUEST,
				       "graph_id '%.*s' must match ^[a-zA-Z0-9-]{1,64}$ (letters, digits and '-')",
				       STR_ARG(s));
	}
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
		if (str_eqz(s, reserved[i]))
			return err_set(e, ERR_BAD_REQUEST, "graph_id '%.*s' is reserved; choose another id",
				       STR_ARG(s));
	return 0;
}

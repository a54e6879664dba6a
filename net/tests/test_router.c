/* SPDX-License-Identifier: MIT */
#include <omnigraph/mem.h>
#include <test/check.h>

#include "net/router.h"

static struct route_match m;

static bool at(const char *method, const char *path)
{
	route_match(str_from(path), str_from(method), &m);
	return m.found && m.method_ok;
}

static void every_operation_is_routed(void)
{
	static const struct {
		const char *method, *path, *id;
	} all[] = {
		{ "GET", "/healthz", "health" },
		{ "GET", "/graphs", "listGraphs" },
		{ "GET", "/graphs/g/snapshot", "cluster_getSnapshot" },
		{ "POST", "/graphs/g/query", "cluster_query" },
		{ "POST", "/graphs/g/read", "cluster_read" },
		{ "GET", "/graphs/g/blob", "cluster_getBlob" },
		{ "HEAD", "/graphs/g/blob", "cluster_headBlob" },
		{ "POST", "/graphs/g/export", "cluster_export" },
		{ "POST", "/graphs/g/mutate", "cluster_mutate" },
		{ "POST", "/graphs/g/change", "cluster_change" },
		{ "POST", "/graphs/g/mutate/if-graph-commit", "cluster_mutate_if_graph_commit" },
		{ "GET", "/graphs/g/schema", "cluster_getSchema" },
		{ "POST", "/graphs/g/schema/apply", "cluster_applySchema" },
		{ "GET", "/graphs/g/queries", "cluster_list_queries" },
		{ "POST", "/graphs/g/queries/q", "cluster_invoke_query" },
		{ "POST", "/graphs/g/queries/q/if-graph-commit", "cluster_invoke_query_if_graph_commit" },
		{ "POST", "/graphs/g/load", "cluster_load" },
		{ "POST", "/graphs/g/ingest", "cluster_ingest" },
		{ "POST", "/graphs/g/load/ndjson", "cluster_loadNdjson" },
		{ "GET", "/graphs/g/branches", "cluster_listBranches" },
		{ "POST", "/graphs/g/branches", "cluster_createBranch" },
		{ "DELETE", "/graphs/g/branches/b", "cluster_deleteBranch" },
		{ "POST", "/graphs/g/branches/merge", "cluster_mergeBranches" },
		{ "GET", "/graphs/g/commits", "cluster_listCommits" },
		{ "GET", "/graphs/g/commits/c", "cluster_getCommit" },
		{ "GET", "/graphs/g/commits/c/changes", "cluster_getCommitChanges" },
		{ "GET", "/graphs/g/changes", "cluster_pollChanges" },
		{ "POST", "/graphs/g/changes/baseline", "cluster_captureChangeBaseline" },
	};

	CHECK_INT(ARRAY_SIZE(all), 28);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		CHECK_MSG(at(all[i].method, all[i].path), "%s %s", all[i].method, all[i].path);
		CHECK_STR(operation_name(m.op), all[i].id);
	}
}

static void unknown_paths_are_not_routed(void)
{
	static const char *const none[] = { "/",
					    "/snapshot",
					    "/query",
					    "/mcp",
					    "/graphs/x",
					    "/graphs/",
					    "/graphs//query",
					    "/graphs/g/branches/",
					    "/healthz/",
					    "/graphs/g/Query",
					    "/graphs/g/commits/a/b",
					    "/graphs/g/queries/a/b",
					    "",
					    "healthz",
					    "/graphs/g/queries//if-graph-commit" };

	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		at("GET", none[i]);
		CHECK_MSG(!m.found, "%s", none[i]);
	}
}

static void methods(void)
{
	CHECK(at("HEAD", "/healthz"));
	CHECK(m.public);
	CHECK(at("HEAD", "/graphs/g/branches"));
	CHECK_INT(m.op, OP_LIST_BRANCHES);
	CHECK(!at("DELETE", "/graphs/g/branches/merge"));
	CHECK(m.found);
	CHECK_STR(m.allow, "POST");
	CHECK(!at("POST", "/graphs"));
	CHECK(m.found);
	CHECK_STR(m.allow, "GET, HEAD");
	CHECK(!at("OPTIONS", "/graphs/g/branches"));
	CHECK_STR(m.allow, "GET, HEAD, POST");
	CHECK(!at("get", "/healthz"));
	CHECK(!at("HEAD", "/graphs/g/query"));
}

static void captures_are_raw(void)
{
	CHECK(at("DELETE", "/graphs/my-g/branches/review%2F3"));
	CHECK(str_eqz(m.graph, "my-g"));
	CHECK(str_eqz(m.capture, "review%2F3"));
	CHECK(at("GET", "http://host:80/graphs/a%20b/commits/01J"));
	CHECK(str_eqz(m.graph, "a%20b"));
}

static void graph_ids(void)
{
	struct err e = ERR_INIT;
	char longer[66];

	memset(longer, 'a', 65);
	longer[65] = 0;
	CHECK(!graph_id_check(STR("A-z-09"), &e));
	CHECK(graph_id_check(str_from(longer), &e) < 0);
	CHECK_HAS(err_msg(&e), "is 65 chars; max 64");
	CHECK(graph_id_check(STR("a_b"), &e) < 0);
	CHECK_HAS(err_msg(&e), "graph_id 'a_b' must match ^[a-zA-Z0-9-]{1,64}$");
	CHECK(graph_id_check(STR("healthz"), &e) < 0);
	CHECK_HAS(err_msg(&e), "graph_id 'healthz' is reserved");
	err_clear(&e);
}

CHECK_MAIN("net/router", { "SRV-64 all 28 operations of the contract are routed", every_operation_is_routed },
	   { "SRV-64 paths outside the contract are not routed", unknown_paths_are_not_routed },
	   { "SRV-22 HEAD follows GET, and a wrong method gets an Allow list", methods },
	   { "path captures are kept as received", captures_are_raw },
	   { "SRV-21 graph ids are checked with the documented texts", graph_ids }, )

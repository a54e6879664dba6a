#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Reads and writes: /query, /read, /mutate, /change, conditional writes, stored queries, concurrency."""
import json

import og

G = "/graphs/herbarium"
ADD = "query add($n: String, $age: I32?) { insert Plant { name: $n, age: $age } }"
SET = "query set($n: String, $age: I32) { update Plant set { age: $age } where name = $n }"
GET = "query get($n: String) { match { $p: Plant { name: $n } } return { $p.name, $p.age } }"
IF = "Omnigraph-If-Graph-Commit"
COMMIT_KEYS = ["graph_commit_id", "graph_branch", "graph_manifest_version", "parent_commit_id", "merged_parent_commit_id",
               "actor_id", "created_at"]


def head(s, branch="main"):
    return s.get(G + "/commits?branch=" + og.quote(branch)).json()["commits"][0]


@og.test("SRV-28 /query answers with the envelope and the head's commit id; a mutating source is refused")
def _():
    with og.cluster() as c:
        c.load([og.plant("fern", age=30)])
        with c.serve() as s:
            r = s.query(GET, {"n": "fern"})
            og.eq(r.status, 200)
            og.eq(r.text, '{"query_name":"get","target":{"branch":"main","snapshot":null},"row_count":1,'
                  '"columns":["p.name","p.age"],"rows":[{"p.name":"fern","p.age":30}],"graph_commit_id":"%s"}'
                  % head(s)["graph_commit_id"])
            r = s.query(ADD, {"n": "x"})
            og.eq((r.status, r.json()), (400, {
                "error": "query 'add' contains mutations (insert/update/delete); use POST /mutate for write queries",
                "code": "bad_request"}))


@og.test("query selection, parameters and query errors are 400 with the engine's texts")
def _():
    two = GET + "\nquery other() { match { $p: Plant } return { $p.name } }"
    with og.cluster() as c, c.serve() as s:
        og.eq(s.query(two, {"n": "x"}, name="get").status, 200)
        for kw, text in ((dict(name="zip"), "query 'zip' not found"), ({}, "query file contains multiple queries; pass --name")):
            r = s.query(two, {"n": "x"}, **kw)
            og.eq((r.status, r.error()), (400, text))
        r = s.query(GET, {"n": 7})
        og.eq((r.status, r.error()), (400, "param 'n': expected string, got number"))
        r = s.query(GET, [1])
        og.eq((r.status, r.error()), (400, "params must be a JSON object"))
        r = s.query(GET)
        og.eq((r.status, r.error()), (400, "parameter 'n' not provided"))
        og.has(s.query("query x(").error(), "parse error: ")
        og.has(s.query("query x() { match { $p: Nope } return { $p.a } }").error(), "type error: ")
        og.eq(s.query(GET, {"n": "x"}, branch="nope").status, 404)
        og.eq(s.query(GET, {"n": "x"}, snapshot="nope").status, 404)
        r = s.query(GET, {"n": "x"}, branch="main", snapshot="nope")
        og.eq((r.status, r.error()), (400, "request may specify branch or snapshot, not both"))


@og.test("snapshot reads see the old state and echo the snapshot")
def _():
    with og.cluster() as c, c.serve() as s:
        first = s.mutate(ADD, {"n": "a"}).json()["commit"]["graph_commit_id"]
        s.mutate(ADD, {"n": "b"})
        og.eq(s.names(), ["a", "b"])
        og.eq(s.names(snapshot=first), ["a"])
        r = s.query(GET, {"n": "a"}, snapshot=first).json()
        og.eq((r["target"], r["graph_commit_id"]), ({"branch": None, "snapshot": first}, first))


@og.test("SRV-29 /read keeps its frozen bytes and has the deprecation headers, canonical routes have none")
def _():
    with og.cluster() as c:
        c.load([og.plant("fern", age=30)])
        with c.serve() as s:
            r = s.post(G + "/read", {"query_source": GET, "params": {"n": "fern"}})
            og.eq(r.text, '{"query_name":"get","target":{"branch":"main","snapshot":null},"row_count":1,'
                  '"columns":["p.name","p.age"],"rows":[{"p.name":"fern","p.age":30}]}')
            og.eq((r.headers["Deprecation"], r.headers["Link"]), ("true", '<query>; rel="successor-version"'))
            for r in (s.query(GET, {"n": "x"}), s.mutate(ADD, {"n": "x"}), s.post(G + "/load", {"data": ""}),
                      s.post(G + "/read", {"query_source": "x"})):
                og.eq((r.headers.get("Deprecation"), r.headers.get("Link")), (None, None))
            r = s.post(G + "/read", {"query_source": ADD, "params": {"n": "q"}})
            og.eq(r.status, 400)
            og.has(r.error(), "type error: ")
            og.eq(s.post(G + "/read", {"query": GET}).status, 422)


@og.test("SRV-30 /change takes either field names, both together are 422, and is deprecated")
def _():
    with og.cluster() as c, c.serve() as s:
        for body in ({"query": ADD, "name": "add"}, {"query_source": ADD, "query_name": "add"}):
            r = s.post(G + "/change", dict(body, params={"n": "x"}))
            og.eq(r.status, 200)
            og.eq((r.headers["Deprecation"], r.headers["Link"]), ("true", '<mutate>; rel="successor-version"'))
        og.eq(s.post(G + "/change", {"query": ADD, "query_source": ADD}).status, 422)
        og.eq(s.post(G + "/mutate", {"query_source": ADD, "query_name": "add", "params": {"n": "y"}}).status, 200)


@og.test("SRV-31 the receipt's commit equals GET commits/{id}; a no-op has a null commit")
def _():
    with og.cluster() as c, c.serve() as s:
        r = s.mutate(ADD, {"n": "x", "age": 1})
        doc = r.json()
        og.eq(list(doc), ["branch", "query_name", "affected_nodes", "affected_edges", "actor_id", "commit"])
        og.eq(list(doc["commit"]), COMMIT_KEYS)
        og.eq(s.get(G + "/commits/" + doc["commit"]["graph_commit_id"]).json(), doc["commit"])
        og.eq(head(s), doc["commit"])
        doc = s.mutate(SET, {"n": "nobody", "age": 1}).json()
        og.eq((doc["affected_nodes"], doc["commit"]), (0, None))
        r = s.mutate(GET, {"n": "x"})
        og.eq((r.status, r.error()), (400, "mutation execution called on a read query; use query instead"))
        og.eq(s.mutate(ADD, {"n": "x"}, branch="nope").status, 404)
        r = s.get(G + "/commits/nope")
        og.eq((r.status, r.json()), (404, {"error": "commit 'nope' not found", "code": "not_found"}))


@og.test("SRV-32 the conditional header: refused on plain routes, checked strictly on conditional ones")
def _():
    with og.cluster() as c, c.serve() as s:
        body = {"query": ADD, "params": {"n": "x"}}
        r = s.post(G + "/mutate", body, headers={IF: ""})
        og.eq((r.status, r.error()), (400, IF + " requires the fail-closed conditional route /mutate/if-graph-commit"))
        r = s.post(G + "/queries/add", {}, headers={IF: "x"})
        og.eq(r.status, 400)
        og.has(r.error(), "conditional route /queries/<name>/if-graph-commit")
        route = G + "/mutate/if-graph-commit"
        for path in (route, G + "/queries/add/if-graph-commit"):
            r = s.post(path, body)
            og.eq((r.status, r.error()), (400, IF + " is required on this conditional mutation route"))
            for value in ("*", "W/\"x\"", "\"x\"", "x\"", "a,b", "W/x"):
                r = s.post(path, body, headers={IF: value})
                og.eq((r.status, r.error()),
                      (400, IF + " must contain one raw graph commit id, not entity-tag syntax"), value)
            og.has(s.post(path, body, headers={IF: "  "}).error(), "must name a graph commit id")
            og.has(s.post(path, body, headers={IF: "\xe4"}).error(), "is not valid UTF-8")
            text = json.dumps(body).encode()
            answer = s.raw(b"POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
                           b"Content-Length: %d\r\n%s: a\r\n%s: a\r\n\r\n%s"
                           % (path.encode(), len(text), IF.encode(), IF.lower().encode(), text))
            og.has(answer, "must be sent exactly once")


@og.test("SRV-33 a stale conditional write is 412 without effect, the fresh id succeeds, a new branch takes its inherited head")
def _():
    with og.cluster() as c, c.serve() as s:
        old = head(s)["graph_commit_id"]
        new = s.mutate(ADD, {"n": "a"}).json()["commit"]["graph_commit_id"]
        route = G + "/mutate/if-graph-commit"
        for query, params in ((ADD, {"n": "b"}), (SET, {"n": "nobody", "age": 1})):
            r = s.post(route, {"query": query, "params": params}, headers={IF: old})
            og.eq((r.status, r.json()), (412, {
                "error": "precondition failed on branch 'main': expected head '%s' but current is %s" % (old, new),
                "precondition_failure": {"expected": old, "actual": new}}))
        og.eq(s.names(), ["a"])
        og.eq(s.post(route, {"query": ADD, "params": {"n": "b"}}, headers={IF.lower(): new}).status, 200)
        inherited = s.get(G + "/snapshot").json() and head(s)["graph_commit_id"]
        og.eq(s.post(G + "/branches", {"name": "side"}).status, 200)
        r = s.post(G + "/queries/add/if-graph-commit", {"params": {"n": "c"}, "branch": "side"}, headers={IF: inherited})
        og.eq(r.status, 200, repr(r))
        og.eq(s.post(G + "/queries/find/if-graph-commit", {"params": {"n": "c"}}, headers={IF: inherited}).error(),
              "the graph-commit conditional route applies only to stored mutations")
        og.eq(s.post(G + "/queries/nope/if-graph-commit", {}, headers={IF: inherited}).status, 404)


@og.test("SRV-34 concurrent inserts all succeed, and each becomes one commit of a linear chain")
def _():
    with og.cluster() as c, c.serve(env={"OMNIGRAPH_PER_ACTOR_INFLIGHT_MAX": "100"}) as s:
        results = og.together(24, lambda i: s.mutate(ADD, {"n": "p%02d" % i}).status)
        og.eq(results, [200] * 24)
        og.eq(s.names(), ["p%02d" % i for i in range(24)])
        commits = s.get(G + "/commits").json()["commits"]
        og.eq(len(commits), 25)
        for a, b in zip(commits, commits[1:]):
            og.eq(a["parent_commit_id"], b["graph_commit_id"])
            og.eq(a["graph_manifest_version"], b["graph_manifest_version"] + 1)


@og.test("SRV-34 concurrent updates of one plant: none is lost, the losers are 409 graph_head:main")
def _():
    with og.cluster() as c, c.serve(env={"OMNIGRAPH_PER_ACTOR_INFLIGHT_MAX": "100"}) as s:
        s.mutate(ADD, {"n": "fern", "age": 0})
        results = og.together(12, lambda i: s.mutate(SET, {"n": "fern", "age": i + 1}))
        good = [r for r in results if r.status == 200]
        og.ok(good, repr(results))
        for r in results:
            if r.status != 200:
                og.eq((r.status, r.json()["code"]), (409, "conflict"))
                og.eq(r.json()["read_set_conflict"]["member"], "graph_head:main")
        og.eq(len(s.get(G + "/commits").json()["commits"]), 2 + len(good))


@og.test("SRV-34 conditional writes on one head: exactly one wins, the others are 412")
def _():
    with og.cluster() as c, c.serve(env={"OMNIGRAPH_PER_ACTOR_INFLIGHT_MAX": "100"}) as s:
        at = head(s)["graph_commit_id"]
        results = og.together(10, lambda i: s.post(G + "/mutate/if-graph-commit", {
            "query": ADD, "params": {"n": "p%d" % i}}, headers={IF: at}).status)
        og.eq(sorted(results), [200] + [412] * 9)


@og.test("SRV-37 stored invocation takes an empty body, {} and null without a content type; bad bodies are 400")
def _():
    with og.cluster() as c:
        c.load([og.plant("fern")])
        with c.serve() as s:
            for body in (b"", None, b"{}", b"null", b" null "):
                r = s.request("POST", G + "/queries/all", body)
                og.eq(r.status, 200, repr(r))
                og.eq(r.json()["rows"], [{"p.name": "fern"}])
            for body in (b"{", b"[]", b'{"params":{}} x', b'{"branch":1}', b'{"expect_mutation":"no"}'):
                r = s.post(G + "/queries/all", body)
                og.eq((r.status, r.json()["code"]), (400, "bad_request"), str(body))
                og.ok(r.error().startswith("invalid stored-query invocation body: "), r.error())
            r = s.post(G + "/queries/find", {"params": {"n": "fern"}, "extra": 1})
            og.eq(list(r.json()), ["query_name", "target", "row_count", "columns", "rows", "graph_commit_id"])
            r = s.post(G + "/queries/find", {"params": {"n": "moss"}})
            og.eq((r.json()["row_count"], r.json()["rows"], r.json()["columns"]), (0, [], ["p.name", "p.age"]))


@og.test("stored mutations answer with the mutation envelope, refuse snapshots, and are read back")
def _():
    with og.cluster() as c, c.serve() as s:
        r = s.post(G + "/queries/add", {"params": {"n": "moss", "age": 4}})
        og.eq((r.status, r.json()["affected_nodes"], r.json()["query_name"]), (200, 1, "add"))
        og.eq(s.post(G + "/queries/find", {"params": {"n": "moss"}}).json()["rows"], [{"p.name": "moss", "p.age": 4}])
        r = s.post(G + "/queries/add", {"params": {"n": "x"}, "snapshot": "01"})
        og.eq((r.status, r.error()), (400, "stored mutation cannot target a snapshot"))
        og.eq(s.post(G + "/queries/drop", {"params": {"n": "moss"}}).json()["affected_nodes"], 1)
        og.eq(s.post(G + "/queries/nope").status, 404)


@og.test("SRV-38 expect_mutation tells reads from mutations")
def _():
    with og.cluster() as c, c.serve() as s:
        r = s.post(G + "/queries/all", {"expect_mutation": True})
        og.eq((r.status, r.error()), (400, "'all' is a read \u2014 use omnigraph query all"))
        r = s.post(G + "/queries/drop", {"expect_mutation": False, "params": {"n": "x"}})
        og.eq((r.status, r.error()), (400, "'drop' is a mutation \u2014 use omnigraph mutate drop"))
        og.eq(s.post(G + "/queries/all", {"expect_mutation": False}).status, 200)


@og.test("SRV-39 the catalogue lists all queries by name with parameter kinds, absent descriptions are omitted")
def _():
    queries = """query b_kinds($s: String, $i: I32?, $l: I64, $f: F64, $d: Date, $v: Vector(3), $x: [String]) @description("D") {
    match { $p: Plant { name: $s } }
    return { $p.name }
}
query a_write($n: String) @instruction("I") { delete Plant where name = $n }
"""
    with og.cluster(queries=queries) as c, c.serve() as s:
        def p(name, kind, nullable=False, **more):
            return dict(name=name, kind=kind, nullable=nullable, **more)
        og.eq(s.get(G + "/queries").json(), {"queries": [
            {"name": "a_write", "tool_name": "a_write", "instruction": "I", "mutation": True, "params": [p("n", "string")]},
            {"name": "b_kinds", "tool_name": "b_kinds", "description": "D", "mutation": False, "params": [
                p("s", "string"), p("i", "int", True), p("l", "bigint"), p("f", "float"), p("d", "date"),
                p("v", "vector", vector_dim=3), p("x", "list", item_kind="string")]}]})
        og.has(s.log(), "stored query: MCP-exposed query declares a `Vector(3)` parameter `$v`")
    with og.cluster(queries="") as c, c.serve() as s:
        og.eq(s.get(G + "/queries").json(), {"queries": []})


@og.test("a stored query that stops type-checking after a schema change is refused, others go on without a restart")
def _():
    with og.cluster() as c, c.serve() as s:
        og.eq(s.post(G + "/queries/add", {"params": {"n": "fern"}}).status, 200)
        og.write(c.file("herbarium.pg"), og.SCHEMA.replace("    note: String?\n", "    note: String?\n    tall: Bool?\n"))
        r = og.cli("cluster", "apply", "--config", c.path)
        if r.code:
            print("# skip: cluster apply cannot change this schema yet")
            return
        og.eq(s.post(G + "/queries/find", {"params": {"n": "fern"}}).status, 200)
        og.eq(s.query("query q() { match { $p: Plant } return { $p.tall } }").json()["rows"], [{"p.tall": None}])


og.main()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Loads: /load, /ingest, /load/ndjson; admission."""
import json
import threading

import og

G = "/graphs/herbarium"
RESULT = ["branch", "base_branch", "branch_created", "mode", "nodes", "edges", "total_entities", "actor_id", "commit"]


def lines(*rows):
    return "".join(json.dumps(r) + "\n" for r in rows)


@og.test("SRV-44 a missing branch is 404 without from, created with it; an existing branch ignores from")
def _():
    with og.cluster() as c, c.serve() as s:
        data = lines(og.plant("fern"))
        r = s.post(G + "/load", {"data": data, "branch": "b"})
        og.eq((r.status, r.json()), (404, {"error": "branch 'b' not found; pass `from` to create it", "code": "not_found"}))
        og.eq(s.ndjson(G + "/load/ndjson?branch=b", data).error(), "branch 'b' not found; pass `from` to create it")
        og.eq(s.get(G + "/branches").json()["branches"], ["main"])
        r = s.post(G + "/load", {"data": data, "branch": "b", "from": "main"}).json()
        og.eq((r["branch_created"], r["base_branch"], r["branch"]), (True, "main", "b"))
        r = s.post(G + "/load", {"data": data, "branch": "b", "from": "nowhere"}).json()
        og.eq((r["branch_created"], r["base_branch"]), (False, "nowhere"))
        og.eq(s.post(G + "/load", {"data": data, "branch": "c", "from": "nowhere"}).status, 404)
        og.eq(s.get(G + "/branches").json()["branches"], ["main", "b"])
        og.eq(s.names(), [])
        # the fork survives a load that fails
        og.eq(s.post(G + "/load", {"data": "{}", "branch": "d", "from": "main"}).status, 400)
        og.eq(s.get(G + "/branches").json()["branches"], ["main", "b", "d"])


@og.test("SRV-47 /load answers with the root URI, /load/ndjson without; /ingest is deprecated")
def _():
    with og.cluster() as c, c.serve() as s:
        data = lines(og.plant("fern"), og.plant("moss"), og.near("fern", "moss"))
        r = s.post(G + "/load", {"data": data})
        doc = r.json()
        og.eq(list(doc), ["uri"] + RESULT)
        og.eq((doc["uri"], doc["mode"], doc["base_branch"], doc["actor_id"]), (c.root(), "merge", None, None))
        og.eq((doc["nodes"], doc["edges"], doc["total_entities"]),
              ([{"name": "Plant", "entities_loaded": 2}], [{"name": "GrowsNear", "entities_loaded": 1}], 3))
        og.eq(s.get(G + "/commits/" + doc["commit"]["graph_commit_id"]).json(), doc["commit"])
        doc = s.ndjson(G + "/load/ndjson", data).json()
        og.eq(list(doc), RESULT)
        doc = s.post(G + "/load", {"data": ""}).json()
        og.eq((doc["total_entities"], doc["nodes"], doc["commit"] is None), (0, [], False))
        r = s.post(G + "/ingest", {"data": data})
        og.eq((r.headers["Deprecation"], r.headers["Link"]), ("true", '<load>; rel="successor-version"'))


@og.test("permissive loads take pretty-printed values and name the record of an error")
def _():
    with og.cluster() as c, c.serve() as s:
        data = json.dumps(og.plant("fern", extra=1), indent=2) + "\n\n" + json.dumps(dict(og.plant("moss"), more=[1]))
        og.eq(s.post(G + "/load", {"data": data, "mode": "append"}).status, 200)
        og.eq(s.names(), ["fern", "moss"])
        for text, error in (("{}", "record 1: expected 'type' or 'edge' field"),
                            ('{"type":"Plant","data":{"name":"x"}} {"type":"Nope"}', "record 2: unknown node type 'Nope'"),
                            ('{"edge":"Nope","from":"a","to":"b"}', "record 1: unknown edge type 'Nope'"),
                            ('{"edge":"GrowsNear","to":"b"}', "record 1: edge missing 'from'"),
                            ('{"edge":"GrowsNear","from":"a"}', "record 1: edge missing 'to'")):
            r = s.post(G + "/load", {"data": text})
            og.eq((r.status, r.json()), (400, {"error": error, "code": "bad_request"}))
        og.has(s.post(G + "/load", {"data": "{} {"}).error(), "record 1: ")
        og.has(s.post(G + "/load", {"data": '{"type":"Plant","data":{"name":"q"}} {'}).error(), "invalid JSON at record 2: ")
        r = s.post(G + "/load", {"data": lines(og.plant("fern")), "mode": "append"})
        og.eq((r.status, r.json()["code"]), (409, "conflict"))
        og.eq(r.json()["key_conflict"]["type_name"], "Plant")
        og.eq(s.names(), ["fern", "moss"])


@og.test("SRV-45 strict NDJSON refuses each malformed line with no effect; a mixed batch is one commit")
def _():
    good = json.dumps(og.plant("fern"))
    cases = [
        ("{", "invalid strict JSON at line 2"),
        ('{"type":"Plant","data":{"name":"a","name":"b"}}', "duplicate JSON member 'name'"),
        ("[]", "line 2: graph batch record must be one JSON object"),
        ("{}", "line 2: graph batch record must contain exactly one of 'type' or 'edge'"),
        ('{"type":"Plant","edge":"GrowsNear"}', "exactly one of 'type' or 'edge'"),
        ('{"type":"Plant","from":"a","data":{"name":"x"}}', "line 2: unknown top-level graph batch field 'from'"),
        ('{"type":7}', "line 2: graph batch field 'type' must be a string, got 7"),
        ('{"edge":"GrowsNear","from":"a"}', "line 2: graph batch record requires field 'to'"),
        ('{"type":"Plant","data":null}', "line 2: graph batch field 'data' must be an object, got null"),
        ('{"type":"Nope","data":{}}', "line 2: unknown node type 'Nope'"),
        ('{"edge":"Nope","from":"a","to":"b"}', "line 2: unknown edge type 'Nope'"),
        ('{"edge":"GrowsNear","from":"a","to":"b","data":{"src":"x"}}',
         "line 2: edge data field 'src' is reserved structural state"),
        ('{"type":"Plant","data":{"name":"x","zip":1}}', "unknown input field 'zip' for 'node:Plant'"),
        ('{"type":"Bed","data":{"label":"x","id":1}}', "input entity of type 'Bed' field 'id' must be a string"),
        ('{"type":"Plant","data":{"name":"x","id":"y"}}',
         "node Plant explicit id 'y' does not match its canonical @key id 'x'"),
        ('{"type":"Plant","data":{"name":"x","age":"old"}}', "age"),
    ]
    with og.cluster() as c, c.serve() as s:
        for line, text in cases:
            r = s.ndjson(G + "/load/ndjson", good + "\n" + line + "\n")
            og.eq((r.status, r.json()["code"]), (400, "bad_request"), line)
            og.has(r.error(), text)
        og.eq(s.names(), [])
        before = len(s.get(G + "/commits").json()["commits"])
        # edges before nodes, CRLF, blank lines, no final newline
        text = "\r\n".join([json.dumps(og.near("fern", "moss", since="2024-01-02")), "", good, "  ", json.dumps(og.plant("moss"))])
        r = s.ndjson(G + "/load/ndjson", text)
        og.eq((r.status, r.json()["total_entities"]), (200, 3), repr(r))
        og.eq(len(s.get(G + "/commits").json()["commits"]), before + 1)


@og.test("SRV-46 load/ndjson: other content types 415, declared or streamed size over the limit 413")
def _():
    with og.cluster() as c, c.serve(env={"OMNIGRAPH_LOAD_BODY_MAX_BYTES": "100000"}) as s:
        for kind in ("application/json", "text/plain", ""):
            r = s.post(G + "/load/ndjson", "", headers={"Content-Type": kind})
            og.eq((r.status, r.error()), (415, "graph-batch load requires Content-Type: application/x-ndjson"))
        og.eq(s.post(G + "/load/ndjson", "", headers={"Content-Type": "Application/X-NDJSON; a=b"}).status, 200)
        head = (b"POST %s/load/ndjson HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n" % G.encode())
        answer = s.raw(head + b"Content-Length: 100001\r\n\r\n")
        og.ok(answer.startswith(b"HTTP/1.1 413"), answer[:100])
        og.has(answer, '"error":"graph-batch request body exceeds 100000 bytes","code":"bad_request",'
               '"resource_limit":{"resource":"graph_batch_request_bytes","limit":100000,"actual":100001}')

        def pieces():
            for i in range(1000):
                yield lines(og.plant("p%d" % i, note="x" * 1000)).encode()
        with s.socket() as k:
            k.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
            try:
                for piece in pieces():
                    k.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            except OSError:
                pass
            answer = og.read_all(k)
        og.ok(answer.startswith(b"HTTP/1.1 413"), answer[:200])
        og.has(answer, "graph_batch_request_bytes")
        og.eq(s.names(), [])
        og.eq(s.ndjson(G + "/load/ndjson?mode=replace", "").status, 400)
        og.eq(s.ndjson(G + "/load/ndjson?branch=a&branch=b", "").status, 400)


@og.test("load/ndjson: text that is not UTF-8 is refused, also across a chunk boundary")
def _():
    with og.cluster() as c, c.serve() as s:
        for bad in (b"\xff", b"\xed\xa0\x80", b"\xc3"):
            r = s.ndjson(G + "/load/ndjson", b'{"type":"Plant","data":{"name":"' + bad)
            og.eq((r.status, r.error()), (400, "graph-batch request body must be valid UTF-8"))
        text = lines(og.plant("\u00e4\u20ac\U0001f600")).encode()
        text = json.dumps(og.plant("\u00e4\u20ac\U0001f600"), ensure_ascii=False).encode()
        r = s.request("POST", G + "/load/ndjson", iter([text[i:i + 1] for i in range(len(text))]),
                      headers={"Content-Type": "application/x-ndjson"}, encode_chunked=True)
        og.eq(r.status, 200, repr(r))
        og.eq(s.names(), ["\u00e4\u20ac\U0001f600"])


@og.test("load/ndjson streams: a body far larger than the memory it takes, one commit, and an aborted one has no effect")
def _():
    rows = 150000
    with og.cluster() as c, c.serve(env={"OMNIGRAPH_LOAD_BODY_MAX_BYTES": "1000000000"}) as s:
        def body(n):
            for i in range(0, n, 1000):
                yield lines(*(og.plant("p%07d" % k, age=k % 100, note="n" * 200) for k in range(i, i + 1000))).encode()
        r = s.request("POST", G + "/load/ndjson?mode=append", body(rows), headers={"Content-Type": "application/x-ndjson"},
                      encode_chunked=True)
        og.eq((r.status, r.json()["total_entities"]), (200, rows), repr(r))
        print("#   resident after %d MB of NDJSON: %d MiB" % (rows * 260 // 1000000, s.rss_kib() // 1024))
        before = s.get(G + "/commits").json()
        with s.socket() as k:
            k.sendall(b"POST %s/load/ndjson HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
                      b"Content-Length: 100000\r\n\r\n%s" % (G.encode(), lines(og.plant("lost")).encode()))
        og.eq(s.get(G + "/commits").json(), before)
        og.eq(s.query('query q() { match { $p: Plant { name: "lost" } } return { $p.name } }').json()["rows"], [])


@og.test("SRV-26 over the in-flight cap of an actor requests are 429 with Retry-After, others are served")
def _():
    env = {"OMNIGRAPH_PER_ACTOR_INFLIGHT_MAX": "1"}
    with og.cluster() as c, c.serve(env=env) as s:
        data = lines(*(og.plant("p%d" % i) for i in range(20000)))
        results = og.together(8, lambda i: s.post(G + "/load", {"data": data}))
        codes = sorted(r.status for r in results)
        og.ok(200 in codes, str(codes))
        for r in results:
            if r.status != 200:
                og.eq((r.status, r.headers["Retry-After"]), (429, "60"))
                og.eq(r.json(), {"error": "actor in-flight count cap 1 exceeded", "code": "too_many_requests"})
        og.eq(s.get(G + "/snapshot").status, 200)


@og.test("a cap of 0 refuses every write and no read; the byte budget counts query and params")
def _():
    add = 'query a($n: String) { insert Plant { name: $n } }'
    with og.cluster() as c:
        with c.serve(env={"OMNIGRAPH_PER_ACTOR_INFLIGHT_MAX": "0"}) as s:
            for r in (s.mutate(add, {"n": "x"}), s.post(G + "/queries/add", {"params": {"n": "x"}}),
                      s.post(G + "/load", {"data": ""}), s.ndjson(G + "/load/ndjson", ""),
                      s.post(G + "/branches", {"name": "b"}), s.delete(G + "/branches/b"),
                      s.post(G + "/change", {"query": add, "params": {"n": "x"}}), s.post(G + "/ingest", {"data": ""})):
                og.eq((r.status, r.headers["Retry-After"]), (429, "60"))
            for r in (s.get(G + "/snapshot"), s.post(G + "/export", {}), s.post(G + "/queries/all"), s.get(G + "/branches")):
                og.eq(r.status, 200)
        limit = len(add) + len('{"n":"x"}')
        with c.serve(env={"OMNIGRAPH_PER_ACTOR_BYTES_MAX": str(limit)}) as s:
            og.eq(s.mutate(add, {"n": "x"}).status, 200)
            r = s.mutate(add, {"n": "xy"})
            og.eq((r.status, r.error()), (429, "actor byte budget exceeded: would use %d bytes against cap %d"
                                          % (limit + 1, limit)))


og.main()

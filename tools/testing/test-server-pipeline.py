#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Bodies, content types, limits, query strings, HEAD, malformed HTTP, slow clients."""
import json
import socket
import time

import og

G = "/graphs/herbarium"
JSON = {"Content-Type": "application/json"}
ALL = "query q() { match { $p: Plant } return { $p.name } }"


@og.test("SRV-23 content type, size, syntax and shape of JSON bodies are told apart")
def _():
    with og.cluster() as c, c.serve() as s:
        body = json.dumps({"query": ALL})
        for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}):
            r = s.post(G + "/query", body, headers=headers)
            og.eq((r.status, r.json()), (415, {"error": "Expected request with `Content-Type: application/json`",
                                               "code": "bad_request"}))
        for kind in ("application/json", "application/json; charset=utf-8", "application/vnd.x+json", "APPLICATION/JSON"):
            og.eq(s.post(G + "/query", body, headers={"Content-Type": kind}).status, 200, kind)
        for text in ("", "{", "{} x", "[" * 200 + "]" * 200, "\xff"):
            r = s.post(G + "/query", text.encode("latin-1"), headers=JSON)
            og.eq((r.status, r.json()["code"]), (400, "bad_request"), text)
            og.ok(r.error().startswith("Failed to parse the request body as JSON: "), r.error())
        for doc in ({}, {"query": 1}, {"query": None}, {"query": ALL, "branch": 7}, [], "x", {"query": ALL, "name": []}):
            r = s.post(G + "/query", doc if isinstance(doc, (dict, list)) else json.dumps(doc), headers=JSON)
            og.eq((r.status, r.json()["code"]), (422, "bad_request"), str(doc))
            og.ok(r.error().startswith("Failed to deserialize the JSON body into the target type: "), r.error())
        r = s.post(G + "/query", '{"query":"%s","query":"x"}' % ALL, headers=JSON)
        og.eq(r.status, 422)
        og.has(r.error(), "duplicate field `query`")
        # unknown fields are ignored, null is absent
        og.eq(s.post(G + "/query", {"query": ALL, "x": {"y": 1}, "branch": None, "params": None, "name": None}).status, 200)
        r = s.post(G + "/load", {"data": "", "mode": "replace"})
        og.eq(r.status, 422)
        og.has(r.error(), "unknown variant `replace`")


@og.test("SRV-23 on export shape errors are 400, unknown fields are refused, messages carry the prefix")
def _():
    with og.cluster() as c, c.serve() as s:
        prefix = "invalid export request: "
        for body, headers, status in ((b"{}", {}, 415), (b"{", JSON, 400), (b"[]", JSON, 400),
                                      (b'{"branch":1}', JSON, 400), (b'{"types":[]}', JSON, 400),
                                      (b'{"type_names":"Plant"}', JSON, 400), (b'{"type_names":[1]}', JSON, 400)):
            r = s.post(G + "/export", body, headers=headers)
            og.eq((r.status, r.json()["code"]), (status, "bad_request"), str(body))
            og.ok(r.error().startswith(prefix), r.error())
        og.has(s.post(G + "/export", {"types": []}).error(), "unknown field `types`")


@og.test("body limits: exactly the limit passes, one more byte is 413, declared or streamed, before the body is read")
def _():
    env = {"OMNIGRAPH_BODY_MAX_BYTES": "2000", "OMNIGRAPH_LOAD_BODY_MAX_BYTES": "3000"}
    want = {"error": "Failed to buffer the request body: length limit exceeded", "code": "bad_request"}

    def body(n):
        text = json.dumps({"query": ALL, "pad": ""})
        return (text[:-2] + "x" * (n - len(text)) + '"}').encode()

    with og.cluster() as c, c.serve(env=env) as s:
        og.eq(s.post(G + "/query", body(2000), headers=JSON).status, 200)
        r = s.post(G + "/query", body(2001), headers=JSON)
        og.eq((r.status, r.json()), (413, want))
        og.eq(s.post(G + "/query", body(2001)).status, 415)
        # chunked: no declared length
        r = s.request("POST", G + "/query", iter([body(3000)]), headers=JSON, encode_chunked=True)
        og.eq((r.status, r.json()), (413, want))
        og.eq(s.request("POST", G + "/query", iter([body(1500)[:700], body(1500)[700:]]), headers=JSON,
                        encode_chunked=True).status, 200)
        og.eq(s.post(G + "/queries/find", body(2001)).status, 413)
        og.eq(s.post(G + "/load", body(3001), headers=JSON).status, 413)
        og.eq(s.request("GET", G + "/snapshot", b"x" * 1000).status, 200)
        og.eq(s.request("GET", G + "/snapshot", b"x" * 300000).status, 413)
        # the refusal does not wait for the body
        answer = s.raw(b"POST %s/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                       b"Content-Length: 99999999\r\n\r\n" % G.encode())
        og.ok(answer.startswith(b"HTTP/1.1 413"), answer[:100])


@og.test("SRV-24 a body error wins over a denial, a missing token over both")
def _():
    with og.cluster() as c, c.serve(env=og.ADA) as s:
        og.eq(s.post(G + "/mutate", b"{", headers=JSON).status, 401)
        og.eq(s.post(G + "/mutate", b"{", headers={**JSON, **og.AS_ADA}).status, 400)
        og.eq(s.post(G + "/mutate", {}, headers=og.AS_ADA).status, 422)
        og.eq(s.post(G + "/mutate", {"query": "x"}, headers=og.AS_ADA).status, 403)
        # on the stream route the denial comes without a body byte
        answer = s.raw(b"POST %s/load/ndjson HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t-ada\r\n"
                       b"Content-Type: text/plain\r\nContent-Length: 100\r\n\r\n" % G.encode())
        og.ok(answer.startswith(b"HTTP/1.1 403"), answer[:100])


@og.test("query strings: repeated known parameters and bad escapes are 400, unknown ones are ignored")
def _():
    with og.cluster() as c, c.serve() as s:
        og.eq(s.get(G + "/snapshot?branch=main&x=1&x=2").status, 200)
        for q in ("branch=a&branch=b", "branch=%zz", "branch=%ff"):
            r = s.get(G + "/snapshot?" + q)
            og.eq(r.status, 400, q)
            og.ok(r.error().startswith("Failed to deserialize query string: "), r.error())
        r = s.get(G + "/snapshot?branch=+")
        og.eq((r.status, r.error()), (400, "branch name cannot be empty"))


@og.test("SRV-25 padded branch names are trimmed on every route")
def _():
    with og.cluster() as c, c.serve() as s:
        og.eq(s.get(G + "/snapshot?branch=%20main%20").json()["graph_branch"], "main")
        og.eq(s.get(G + "/commits?branch=%20main%20").status, 200)
        og.eq(s.query(ALL, branch=" main ").json()["target"], {"branch": "main", "snapshot": None})
        og.eq(s.mutate('query a() { insert Plant { name: "x" } }', branch="\tmain ").json()["branch"], "main")
        og.eq(s.post(G + "/load", {"data": "", "branch": " main "}).json()["branch"], "main")
        og.eq(s.ndjson(G + "/load/ndjson?branch=%20main%20", "").json()["branch"], "main")
        og.eq(s.post(G + "/export", {"branch": " main "}).status, 200)
        og.eq(s.post(G + "/branches", {"name": " b ", "from": " main "}).json()["name"], "b")
        og.eq(s.delete(G + "/branches/%20b%20").json()["name"], "b")
        for r in (s.query(ALL, branch="  "), s.mutate(ALL, branch=""), s.post(G + "/branches", {"name": " "})):
            og.eq((r.status, r.error()), (400, "branch name cannot be empty"))


@og.test("every GET route answers HEAD with the same status and headers and no body")
def _():
    with og.cluster() as c, c.serve() as s:
        for path in ("/healthz", "/openapi.json", "/graphs", G + "/snapshot", G + "/schema", G + "/queries", G + "/branches",
                     G + "/commits", G + "/commits/nope", G + "/snapshot?branch=nope"):
            a, b = s.get(path), s.request("HEAD", path)
            og.eq((b.status, b.body), (a.status, b""), path)
            og.eq(b.headers["Content-Length"], a.headers["Content-Length"], path)
            og.eq(b.headers["Content-Type"], "application/json", path)


@og.test("healthz and the error body have their exact form")
def _():
    with og.cluster() as c, c.serve() as s:
        r = s.get("/healthz")
        doc = r.json()
        og.eq(list(doc)[:3], ["status", "version", "internal_schema_version"])
        og.eq(doc["status"], "ok")
        og.eq(r.headers["Content-Type"], "application/json")
        og.hasnot(r.text, " ")
        og.eq(s.get(G + "/snapshot?branch=nope").json(), {"error": "branch 'nope' not found", "code": "not_found"})
        og.eq(s.get("/graphs/%C3%A4/snapshot").status, 400)
        og.eq(s.raw(b"GET /graphs/\xff\xfe/snapshot HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").split(b" ")[1], b"400")


@og.test("request smuggling shapes get 400 and the connection is closed")
def _():
    head = b"POST /graphs/herbarium/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with og.cluster() as c, c.serve() as s:
        for bad in (b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
                    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    b"Transfer-Encoding: identity\r\n\r\n{}", b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
                    b"Content-Length : 2\r\n\r\n{}", b"Content-Length: 2\r\nX: a\0b\r\n\r\n{}",
                    b"Content-Length: 2\r\nX: a\rb\r\n\r\n{}", b"Content-Length: 2\r\nX: a\r\n b\r\n\r\n{}",
                    b"Content-Length: 2\nX: a\r\n\r\n{}"):
            answer = s.raw(head + bad)
            og.ok(answer.startswith(b"HTTP/1.1 400"), "%r -> %r" % (bad, answer[:200]))
            og.eq(answer.count(b"HTTP/1.1 "), 1, str(bad))
        og.ok(s.raw(head + b"Content-Length: -2\r\n\r\n{}").startswith(b"HTTP/1.1 400"))
        og.eq(s.get("/healthz").status, 200)


@og.test("keep-alive survives refusals with short bodies; an early refusal arrives before a long body was sent")
def _():
    with og.cluster() as c, c.serve(env=og.ADA) as s:
        conn = s.connect()
        for _ in range(3):
            og.eq(s.post(G + "/query", {"query": ALL}, conn=conn).status, 401)
            og.eq(s.post("/nowhere", b"xyz", conn=conn).status, 404)
            og.eq(s.post(G + "/query", {"query": ALL}, headers=og.AS_ADA, conn=conn).status, 200)
        conn.close()
        r = s.post(G + "/load", b"x" * 30000000, headers={**JSON, "Authorization": "Bearer no"})
        og.eq(r.status, 401)


@og.test("clients that drip a header or a body are closed, others are not")
def _():
    env = {"OMNIGRAPH_HTTP_HEADER_TIMEOUT_MS": "300", "OMNIGRAPH_HTTP_BODY_GRACE_MS": "300",
           "OMNIGRAPH_HTTP_BODY_MIN_RATE": "1000", "OMNIGRAPH_HTTP_IDLE_TIMEOUT_MS": "60000"}
    with og.cluster() as c, c.serve(env=env) as s:
        keep = s.connect()
        og.eq(s.get("/healthz", conn=keep).status, 200)

        def drip(start):
            with s.socket() as d:
                d.sendall(start)
                d.settimeout(0.05)
                begin = time.monotonic()
                while time.monotonic() - begin < 15:
                    try:
                        d.sendall(b"x")
                        if not d.recv(1):
                            return time.monotonic() - begin
                    except socket.timeout:
                        continue
                    except OSError:
                        return time.monotonic() - begin
            raise AssertionError("never closed: %r" % start)

        og.ok(drip(b"GET /healthz HTTP/1.1\r\nX: ") < 10)
        og.ok(drip(b"POST %s/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
                   % G.encode()) < 10)
        og.eq(s.get("/healthz", conn=keep).status, 200)
        keep.close()


@og.test("requests cut off or damaged at random places do no harm")
def _():
    import random
    rnd = random.Random(7)
    add = json.dumps({"query": "query a($n: String) { insert Plant { name: $n } }", "params": {"n": "x"}}).encode()
    row = json.dumps(og.plant("y")).encode() + b"\n"
    requests = [b"POST %s/mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (G.encode(), len(add), add),
                b"POST %s/load/ndjson HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (G.encode(), len(row), row),
                b"POST %s/export HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
                % G.encode(),
                b"POST %s/queries/all HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" % G.encode()]

    def attack(i):
        mine = random.Random(rnd.random() + i)
        for _ in range(60):
            data = bytearray(mine.choice(requests))
            for _ in range(mine.randrange(4)):
                data[mine.randrange(len(data))] = mine.randrange(256)
            if mine.random() < 0.5:
                del data[mine.randrange(len(data)):]
            with s.socket() as k:
                try:
                    k.sendall(data)
                    if mine.random() < 0.5:
                        k.settimeout(0.02)
                        k.recv(65536)
                except OSError:
                    pass
        return True
    with og.cluster() as c, c.serve(env={"OMNIGRAPH_LOG": "error", "OMNIGRAPH_PER_ACTOR_INFLIGHT_MAX": "100"}) as s:
        og.eq(og.together(8, attack), [True] * 8)
        og.eq(s.get(G + "/snapshot").status, 200)


@og.test("operations that the engine does not offer yet say so")
def _():
    with og.cluster() as c, c.serve() as s:
        for method, path in (("GET", "/blob"), ("GET", "/changes"), ("GET", "/commits/x/changes"),
                             ("POST", "/changes/baseline"), ("POST", "/branches/merge")):
            r = s.request(method, G + path, {} if method == "POST" else None)
            og.ok(r.status != 404 or "route" not in r.error(), repr(r))


og.main()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Embedding providers at serve time: profiles, environment, same-space rule, retries."""
import http.server
import json
import threading

import og

G = "/graphs/herbarium"
SCHEMA = """node Plant {
    name: String @key
    vec: Vector(4)? @embed("name", model="m1")
}
node Moss {
    name: String @key
    vec: Vector(4)?
}
"""
QUERIES = """query near_plant($q: String) {
    match { $p: Plant }
    return { $p.name }
    order { nearest($p.vec, $q) }
    limit 2
}
query near_moss($q: String) {
    match { $p: Moss }
    return { $p.name }
    order { nearest($p.vec, $q) }
    limit 2
}
"""
VEC = {"a": [1.0, 0.0, 0.0, 0.0], "b": [0.0, 1.0, 0.0, 0.0], "c": [0.0, 0.0, 1.0, 0.0]}


class Provider(http.server.BaseHTTPRequestHandler):
    """Answers with the statuses of `script` first, then with VEC["b"]."""
    script, seen = [], []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Provider.seen.append((self.path, dict(self.headers), body))
        status = Provider.script.pop(0) if Provider.script else 200
        text = {"error": {"message": "scripted"}}
        if status == 200:
            text = {"data": [{"index": 0, "embedding": VEC["b"]}]} if "input" in body else {"embedding": {"values": VEC["b"]}}
        out = json.dumps(text).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(out)))
        self.end_headers()
        self.wfile.write(out)

    def log_message(self, *_):
        pass


class provider:
    def __enter__(self):
        Provider.script, Provider.seen = [], []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return "http://127.0.0.1:%d/v1" % self.server.server_address[1]

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def built_in():
    """Providers other than mock are part of this build."""
    with open(og.SERVER, "rb") as f:
        there = b"is not in this build; enable CONFIG_ENGINE_EMBED" not in f.read()
    if not there:
        print("# skip: CONFIG_ENGINE_EMBED is not built in")
    return there


def garden(**kw):
    return og.cluster(schema=SCHEMA, queries=QUERIES, **kw)


def rows(c):
    c.load([{"type": t, "data": {"name": n, "vec": v}} for t in ("Plant", "Moss") for n, v in VEC.items()])


def near(s, query="near_moss"):
    return s.post(G + "/queries/" + query, {"params": {"q": "text"}})


@og.test("SRV-66 provider, base URL, model and key come from the environment; openai never uses OPENROUTER_API_KEY")
def _():
    if not built_in():
        return
    with garden() as c, provider() as url:
        rows(c)
        env = {"OMNIGRAPH_EMBED_BASE_URL": url + "/", "OMNIGRAPH_EMBED_MODEL": "m9", "OPENROUTER_API_KEY": "k-router",
               "OPENAI_API_KEY": "k-openai"}
        with c.serve(env=env) as s:
            og.eq(near(s).json()["rows"][0], {"p.name": "b"})
            path, headers, body = Provider.seen[-1]
            og.eq((path, headers["Authorization"]), ("/v1/embeddings", "Bearer k-router"))
            og.eq(body, {"model": "m9", "input": ["text"], "dimensions": 4})
            og.hasnot(s.log(), "k-router")
        with c.serve(env=dict(env, OMNIGRAPH_EMBED_PROVIDER="openai")) as s:
            og.eq(near(s).status, 200)
            og.eq(Provider.seen[-1][1]["Authorization"], "Bearer k-openai")
        with c.serve(env=dict(env, OMNIGRAPH_EMBED_PROVIDER="gemini", GEMINI_API_KEY="k-gem")) as s:
            og.eq(near(s).status, 200)
            path, headers, body = Provider.seen[-1]
            og.eq(path, "/v1/models/m9:embedContent")
            og.eq((body["taskType"], body["outputDimensionality"]), ("RETRIEVAL_QUERY", 4))
        env = {"OMNIGRAPH_EMBED_PROVIDER": "openai", "OPENROUTER_API_KEY": "k", "OMNIGRAPH_EMBED_BASE_URL": url}
        n = len(Provider.seen)
        with c.serve(env=env) as s:
            r = near(s)
            og.eq((r.status, r.json()["code"]), (500, "internal"))
            og.has(r.error(), "OPENAI_API_KEY is required for the openai embedding provider")
            og.eq(s.get(G + "/snapshot").status, 200)
        og.eq(len(Provider.seen), n)
        with c.serve(env={"OMNIGRAPH_EMBED_PROVIDER": "oracle"}) as s:
            r = near(s)
            og.eq(r.status, 500)
            og.has(r.error(), "unknown embedding provider 'oracle'")


@og.test("SRV-67 a recorded model that differs is 400 and no request is made")
def _():
    if not built_in():
        return
    with garden() as c, provider() as url:
        rows(c)
        env = {"OMNIGRAPH_EMBED_BASE_URL": url, "OMNIGRAPH_EMBED_MODEL": "m2", "OPENROUTER_API_KEY": "k"}
        with c.serve(env=env) as s:
            r = near(s, "near_plant")
            og.eq((r.status, r.json()["code"]), (400, "bad_request"))
            og.has(r.error(), "OMNIGRAPH_EMBED_MODEL='m1'")
            og.eq(Provider.seen, [])
        with c.serve(env=dict(env, OMNIGRAPH_EMBED_MODEL="m1")) as s:
            og.eq(near(s, "near_plant").json()["rows"][0], {"p.name": "b"})


@og.test("SRV-68 429 and 503 are retried, 400 is not, the attempts are bounded")
def _():
    if not built_in():
        return
    with garden() as c, provider() as url:
        rows(c)
        env = {"OMNIGRAPH_EMBED_BASE_URL": url, "OPENROUTER_API_KEY": "k", "OMNIGRAPH_EMBED_RETRY_BACKOFF_MS": "10"}
        with c.serve(env=env) as s:
            Provider.script = [429, 503]
            og.eq(near(s).status, 200)
            og.eq(len(Provider.seen), 3)
            og.has(s.log(), "embedding attempt failed, retrying")
            Provider.seen.clear()
            Provider.script = [400]
            r = near(s)
            og.eq((r.status, len(Provider.seen)), (500, 1))
            og.has(r.error(), "embedding request failed with status 400")
            Provider.seen.clear()
            Provider.script = [503] * 9
            r = near(s)
            og.eq((r.status, len(Provider.seen)), (500, 4))


@og.test("SRV-69 the mock model of an applied profile decides the same-space check, not the environment")
def _():
    profile = "providers:\n  embedding:\n    local:\n      kind: mock\n      model: %s\n"
    for model, status in (("m1", 200), ("m2", 400)):
        with garden(graphs={"herbarium": "embedding_provider: local"}, extra=profile % model) as c:
            rows(c)
            with c.serve(env={"OMNIGRAPH_EMBED_MODEL": "m7"}) as s:
                og.eq(near(s, "near_plant").status, status)
                og.eq(near(s).status, 200)


og.main()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Blob cells over HTTP, and external references a server takes in (spec/server.md 8.6, spec/engine.md 14)."""
import base64
import http.server
import threading

import harness
import og

SCHEMA = og.SCHEMA.replace("    note: String?\n", "    note: String?\n    pic: Blob?\n").replace(
    "{ since: Date? }", "{ since: Date?  proof: Blob? }")
G = "/graphs/herbarium"


def data(raw):
    return "base64:" + base64.b64encode(raw).decode()


def path(id_, prop="pic", entity="node", type_="Plant", **more):
    words = dict(entity=entity, type=type_, id=id_, property=prop, **more)
    return G + "/blob?" + "&".join("%s=%s" % (k, og.quote(v)) for k, v in words.items())


def serving(**kw):
    return og.cluster(schema=SCHEMA, **kw)


def get(s, where, status, headers=None, method="GET"):
    r = s.request(method, where, headers=headers)
    og.eq(r.status, status, "%s %r: %r" % (where, headers, r))
    return r


@og.test("SRV-48 ENG-74 ENG-75 whole values, ranges, conditions and HEAD, in the order of the chapter")
def _():
    with serving() as c:
        c.load([og.plant("fern", pic=data(b"0123456789")), og.plant("empty", pic=data(b""))])
        with c.serve() as s:
            head = s.get(G + "/commits").json()["commits"][0]["graph_commit_id"]
            r = get(s, path("fern"), 200)
            tag = r.headers["ETag"]
            og.eq((r.body, r.headers["Content-Type"], r.headers["Accept-Ranges"], r.headers["Omnigraph-Snapshot-Id"]),
                  (b"0123456789", "application/octet-stream", "bytes", head))
            og.eq(r.headers["Content-Length"], "10")
            for value, status, body, shown in (("bytes=0-4", 206, b"01234", "bytes 0-4/10"), ("bytes=-3", 206, b"789", "bytes 7-9/10"),
                                               ("bytes=-30", 206, b"0123456789", "bytes 0-9/10"), ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
                                               ("bytes=4-", 206, b"456789", "bytes 4-9/10"), ("bytes=4-2", 200, b"0123456789", None),
                                               ("bytes=0-1,3-4", 200, b"0123456789", None), ("lines=0-1", 200, b"0123456789", None)):
                r = get(s, path("fern"), status, {"Range": value})
                og.eq((r.body, r.headers["Content-Range"], r.headers["ETag"]), (body, shown, tag), value)
                og.eq(r.headers["Content-Length"], str(len(body)))
            r = get(s, path("fern"), 416, {"Range": "bytes=10-12"})
            og.eq(r.json()["blob_range"], {"start": 10, "end": 13, "length": 10})
            og.eq((r.headers["Content-Range"], r.headers["ETag"], r.json()["code"]), ("bytes */10", tag, "bad_request"))
            og.eq(r.error(), "blob range [10, 13) is not satisfiable for a value of length 10")
            og.eq(get(s, path("empty"), 416, {"Range": "bytes=0-0"}).json()["blob_range"], {"start": 0, "end": 1, "length": 0})
            # conditions
            r = get(s, path("fern"), 304, {"If-None-Match": '"a", W/%s' % tag})
            og.eq((r.body, r.headers["ETag"], r.headers["Content-Length"]), (b"", tag, "10"))
            get(s, path("fern"), 200, {"If-None-Match": "nonsense"})
            r = get(s, path("fern"), 412, {"If-Match": "W/" + tag})
            og.eq((r.error(), r.json()["code"], r.headers["ETag"]),
                  ("If-Match did not match the selected managed Blob representation", "conflict", tag))
            get(s, path("fern"), 412, {"If-Match": "nonsense"})
            get(s, path("fern"), 412, {"If-Match": '"other"', "If-None-Match": tag, "Range": "bytes=0-1"})
            get(s, path("fern"), 304, {"If-Match": "*", "If-None-Match": tag, "Range": "bytes=99-"})
            get(s, path("fern"), 206, {"If-Match": tag, "If-Range": tag, "Range": "bytes=0-1"})
            for other in ("W/" + tag, '"other"', "Wed, 21 Oct 2015 07:28:00 GMT"):
                get(s, path("fern"), 200, {"If-Range": other, "Range": "bytes=0-1"})
            r = get(s, path("fern"), 200, {"Range": "bytes=0-1"}, method="HEAD")
            og.eq((r.body, r.headers["Content-Length"], r.headers["ETag"]), (b"", "10", tag))
            get(s, path("fern"), 412, {"If-Match": '"other"'}, method="HEAD")
            # the tag stays over commits to other types, and goes with the value
            s.mutate("query m() { insert Bed { label: \"l\" } }")
            og.eq(get(s, path("fern"), 200).headers["ETag"], tag)
            og.ok(get(s, path("empty"), 200).headers["ETag"] != tag, "another cell")
            s.mutate("query m($b: Blob) { update Plant set { pic: $b } where name = \"fern\" }", {"b": data(b"new")})
            og.ok(get(s, path("fern"), 200).headers["ETag"] != tag, "a new value")
            r = get(s, path("fern", snapshot=head), 200)
            og.eq((r.body, r.headers["ETag"], r.headers["Omnigraph-Snapshot-Id"]), (b"0123456789", tag, head))


@og.test("SRV-49 empty, null and absent values; selectors that select nothing")
def _():
    with serving() as c:
        c.load([og.plant("fern"), og.plant("empty", pic=data(b"")), og.near("fern", "fern", id="e1", proof=data(b"seen"))])
        with c.serve() as s:
            r = get(s, path("empty"), 200)
            og.eq((r.body, r.headers["Content-Length"]), (b"", "0"))
            og.ok(r.headers["ETag"], "an empty value has a tag")
            og.eq(get(s, path("e1", "proof", "edge", "GrowsNear"), 200).body, b"seen")
            for where, status, text in ((path("fern"), 404, "Blob property 'Plant.pic' is null for id 'fern'"),
                                        (path("gone"), 404, "no node 'Plant' with id 'gone' found"),
                                        (path("e9", "proof", "edge", "GrowsNear"), 404, "no edge 'GrowsNear' with id 'e9' found"),
                                        (path("fern", "name"), 400, "property 'Plant.name' is not a Blob"),
                                        (path("fern", "zzz"), 400, "property 'Plant.zzz' is not a Blob"),
                                        (path("fern", type_="Nope"), 400, "unknown node type 'Nope'"),
                                        (path("fern", branch="none"), 404, "branch 'none' not found"),
                                        (path("fern", snapshot="01NOPE"), 404, "commit '01NOPE' not found")):
                og.eq(get(s, where, status).error(), text)
            for query in ("", "?entity=node&type=Plant&id=x", "?entity=cat&type=Plant&id=x&property=pic",
                          "?entity=node&type=Plant&id=x&property=pic&branch=a&snapshot=b", "?entity=node&entity=node"):
                og.has(get(s, G + "/blob" + query, 400).error(), "invalid Blob selector query parameters: ")


@og.test("SRV-50 a large value is sent from where it lies: a client that pauses costs no memory")
def _():
    with serving() as c:
        raw = bytes(range(256)) * (20 << 12)  # 20 MiB
        c.load([og.plant("big", pic=data(raw))])
        with c.serve() as s:
            before = s.rss_kib()
            socks = []
            for _ in range(4):
                k = s.socket()
                k.sendall(("GET %s HTTP/1.1\r\nHost: h\r\n\r\n" % path("big")).encode())
                og.has(k.recv(15), "HTTP/1.1 200")
                socks.append(k)
            if not og.sanitized():
                # pages of the mapped segment count once, however many read it
                og.ok(s.rss_kib() - before < 64 << 10, "%d KiB more" % (s.rss_kib() - before))
            for k in socks:
                k.close()
            og.eq(get(s, path("big"), 200).body, raw)
            og.eq(get(s, path("big"), 206, {"Range": "bytes=5242880-5242889"}).body, raw[5242880:5242890])


class Bucket:
    """Objects behind the two S3 requests that reading takes; keeps what was asked."""

    def __init__(self, objects):
        self.asked = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                outer.asked.append((self.command, self.path))
                body = objects.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("ETag", '"e"')
                self.send_header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                if self.command == "GET" and body:
                    self.wfile.write(body)

            do_GET = do_HEAD = answer

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.env = {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:%d" % self.http.server_address[1], "AWS_ACCESS_KEY_ID": "k",
                    "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "r", "AWS_ALLOW_HTTP": "true", "AWS_S3_FORCE_PATH_STYLE": "true"}
        self.thread = threading.Thread(target=self.http.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


ALLOW = """external_blobs:
  allow:
    - { base: 's3://pics/a/', scope: server_safe }
    - { base: 's3://pics/b/', scope: embedded_only }"""


@harness.test("SRV-62 ENG-76 a server takes in what its policy allows, once; a missing source is 424, a refused one 400", "s3")
def _():
    add = "query m($n: String, $b: Blob) { insert Plant { name: $n, pic: $b } }"
    with serving(graphs={"herbarium": ALLOW}) as c, Bucket({"/pics/a/x": b"from afar"}) as b, c.serve(env=b.env) as s:
        og.eq(s.mutate(add, {"n": "x", "b": "S3://Pics/a/%78"}).status, 200)
        og.eq(sorted(b.asked), [("GET", "/pics/a/x"), ("HEAD", "/pics/a/x")])
        og.eq(get(s, path("x"), 200).body, b"from afar")
        b.asked.clear()
        rows = [og.plant("p%d" % i, pic="s3://pics/a/x") for i in range(5)]
        og.eq(s.ndjson(G + "/load/ndjson?mode=merge", rows).status, 200)
        og.eq(len(b.asked), 2, "one source, however many cells: %r" % b.asked)
        b.asked.clear()
        r = s.mutate(add, {"n": "y", "b": "s3://pics/a/gone"})
        og.eq((r.status, r.json()["external_blob_source"]["uri"]), (424, "s3://pics/a/gone"))
        og.has(r.error(), "external blob source 's3://pics/a/gone' is unavailable: ")
        og.ok("code" not in r.json(), repr(r))
        b.asked.clear()
        for uri, reason in (("s3://pics/b/x", "URI is outside every configured external Blob base"), ("s3://pics/a/", "outside every"),
                            ("s3://pics/ab", "outside every"), ("file:///etc/passwd", "outside every"), ("http://h/x", "the scheme must be")):
            r = s.mutate(add, {"n": "y", "b": uri})
            og.eq((r.status, r.json()["code"]), (400, "bad_request"), repr(r))
            og.has(r.error(), "is not allowed: ")
            og.has(r.error(), reason)
        og.eq(b.asked, [], "refused references are not looked at")
        # kept as a reference; reading and exporting contact nobody
        og.eq(s.ndjson(G + "/load/ndjson?mode=overwrite", [og.plant("x", pic="s3://pics/a/%78")]).status, 200)
        b.asked.clear()
        r = get(s, path("x"), 302, {"Range": "bytes=0-1", "If-Match": '"no"'})
        og.eq((r.headers["Location"], r.headers["Cache-Control"], r.headers["ETag"], r.body), ("s3://pics/a/x", "no-store", None, b""))
        og.ok(r.headers["Omnigraph-Snapshot-Id"], "the snapshot is named")
        get(s, path("x"), 302, method="HEAD")
        og.has(s.post(G + "/export", {}).text, '"pic":"s3://pics/a/x"')
        s.post(G + "/branches", {"name": "draft"})
        s.mutate('query m() { update Plant set { age: 1 } where name = "x" }', branch="draft")
        og.eq(s.post(G + "/branches/merge", {"source": "draft"}).status, 200)
        og.eq(get(s, path("x"), 302).headers["Location"], "s3://pics/a/x")
        og.eq(b.asked, [])


@og.test("SRV-62 without a policy every new reference is refused")
def _():
    with serving() as c, c.serve() as s:
        r = s.mutate("query m($b: Blob) { insert Plant { name: \"x\", pic: $b } }", {"b": "s3://pics/a/x"})
        og.eq((r.status, r.error()), (400, "external blob URI 's3://pics/a/x' is not allowed: new external Blob URI ingress is denied for this graph"))


og.main()

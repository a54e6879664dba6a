#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Export streams and graceful shutdown."""
import json
import signal
import socket
import threading
import time

import og

G = "/graphs/herbarium"
ROWS = 60000


def big():
    """A graph whose export is too large for the socket buffers."""
    return [og.plant("p%06d" % i, age=i, note="n" * 300) for i in range(ROWS)]


def held(s):
    """An export whose client does not read: the socket, after the status line."""
    k = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    k.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    k.connect((s.host, s.port))
    k.settimeout(30)
    k.sendall(b"POST %s/export HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}" % G.encode())
    got = k.recv(12)
    if got == b"HTTP/1.1 413":
        k.close()
        return None
    og.eq(got, b"HTTP/1.1 200")
    return k


@og.test("SRV-41 export has its content type, order and form, and loads back")
def _():
    with og.cluster() as c:
        c.load([og.plant("moss", note=None), og.plant("fern", age=30), og.near("fern", "moss", since="2024-01-02")])
        with c.serve() as s:
            r = s.post(G + "/export", {})
            og.eq((r.status, r.headers["Content-Type"]), (200, "application/x-ndjson; charset=utf-8"))
            og.eq(r.headers["Transfer-Encoding"], "chunked")
            docs = [json.loads(x) for x in r.text.splitlines()]
            og.eq(docs[0], {"edge": "GrowsNear", "from": "fern", "to": "moss",
                            "data": {"id": docs[0]["data"]["id"], "since": 19724}})
            og.eq(docs[1:], [{"type": "Plant", "data": {"id": "fern", "age": 30, "name": "fern", "note": None}},
                             {"type": "Plant", "data": {"id": "moss", "age": None, "name": "moss", "note": None}}])
            og.eq(s.post(G + "/export", {"type_names": ["Plant"]}).text, "".join(x + "\n" for x in r.text.splitlines()[1:]))
            og.eq(s.post(G + "/export", {"type_names": []}).text, r.text)
            local = og.run("export", c.root())
            og.eq(local.out, r.text)
            og.eq(s.ndjson(G + "/load/ndjson?branch=copy&from=main&mode=overwrite", r.text).status, 200)
            og.eq(s.post(G + "/export", {"branch": "copy"}).text, r.text)
            r = s.post(G + "/export", {"type_names": ["Plant", "Nope"]})
            og.eq((r.status, r.error()), (400, "unknown export type 'Nope'"))
            og.eq(s.post(G + "/export", {"branch": "nope"}).status, 404)
    with og.cluster() as c, c.serve() as s:
        og.eq(s.post(G + "/export", {}).body, b"")


@og.test("SRV-42 eight held exports: the ninth is 413 within about 250 ms, releasing one frees it")
def _():
    with og.cluster() as c:
        c.load(big())
        with c.serve() as s:
            streams = [held(s) for _ in range(8)]
            begin = time.monotonic()
            r = s.post(G + "/export", {})
            took = time.monotonic() - begin
            og.eq((r.status, r.json()["code"]), (413, "bad_request"))
            og.eq(r.json()["resource_limit"], {"resource": "stream_export_transport_bytes", "limit": 2097152, "actual": 2359296})
            og.ok(0.2 < took < 3, "refused after %.3f s" % took)
            # everything else goes on
            og.eq(s.mutate('query a() { insert Plant { name: "new" } }').status, 200)
            streams.pop().close()
            r = og.until(lambda: (lambda r: r if r.status == 200 else None)(s.post(G + "/export", {})), what="a free slot")
            og.eq(len(r.text.splitlines()), ROWS + 1)
            print("#   resident with 7 held exports: %d MiB" % (s.rss_kib() // 1024))
            for k in streams:
                k.close()


@og.test("an export sees one commit, whatever is written while it runs")
def _():
    with og.cluster() as c:
        c.load(big())
        with c.serve() as s:
            k = held(s)
            og.eq(s.mutate('query a() { insert Plant { name: "zzz" } }').status, 200)
            text = read_chunked(k)
            og.eq(text.count(b'"type":"Plant"'), ROWS)
            og.hasnot(text.decode("latin-1"), '"zzz"')


def read_chunked(k):
    """The rest of a response whose status line began: its body, put together from the chunks."""
    raw, out = bytearray(), bytearray()
    while not raw.endswith(b"\r\n0\r\n\r\n"):
        more = k.recv(1 << 20)
        og.ok(more, "the stream ended without a final chunk")
        raw += more
    at = raw.index(b"\r\n\r\n") + 4
    while True:
        end = raw.index(b"\r\n", at)
        n = int(raw[at:end], 16)
        if not n:
            return bytes(out)
        out += raw[end + 2:end + 2 + n]
        at = end + 2 + n + 2


@og.test("SRV-70 SIGTERM lets a long export finish, refuses new connections, and ends with status 0")
def _():
    with og.cluster() as c:
        c.load(big())
        for sig in (signal.SIGTERM, signal.SIGINT):
            s = c.serve()
            idle = s.connect()
            og.eq(s.get("/healthz", conn=idle).status, 200)
            k = held(s)
            s.proc.send_signal(sig)

            def refused():
                try:
                    socket.create_connection((s.host, s.port), timeout=5).close()
                    return False
                except (ConnectionRefusedError, ConnectionResetError):
                    return True
            og.until(refused, what="new connections are refused")
            og.eq(s.proc.poll(), None)
            og.eq(idle.sock.recv(1), b"")
            og.eq(read_chunked(k).count(b'"type":"Plant"'), ROWS)
            k.close()
            s.proc.wait(20)
            og.eq(s.proc.returncode, 0)
            s.proc.stdout.close()


@og.test("a client that goes away in the middle of an export costs nothing")
def _():
    with og.cluster() as c:
        c.load(big())
        with c.serve() as s:
            for _ in range(20):
                og.until(lambda: held(s), what="a free slot").close()
            r = og.until(lambda: (lambda r: r if r.status == 200 else None)(s.post(G + "/export", {})), what="a free slot")
            og.eq(len(r.text.splitlines()), ROWS)


og.main()

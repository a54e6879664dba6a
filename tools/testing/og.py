# SPDX-License-Identifier: MIT
"""What whole-system tests share: temporary clusters, the CLI, a running server, HTTP. Python 3 standard library only.

    import og

    @og.test("SRV-03 the listen record names a port that answers")
    def _():
        with og.cluster() as c, c.serve() as s:
            og.eq(s.get("/healthz").status, 200)

    og.main()

Each test is one function; it fails by raising. og.main() prints "ok - name" / "not ok - name" lines and, last,
"# passed N failed M". An argument selects the tests whose name contains it. OMNIGRAPH_BUILD is the build directory (build).
"""
import contextlib
import fcntl
import http.client
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse

SRC = os.environ.get("OMNIGRAPH_SRC") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("OMNIGRAPH_BUILD") or os.path.join(SRC, "build"))
CLI = os.path.join(BUILD, "omnigraph")
SERVER = os.path.join(BUILD, "omnigraph-server")
CONTRACT = os.path.join(SRC, "net", "openapi.json")
# what the environment of the caller must not decide
FOREIGN = ("OMNIGRAPH_", "AWS_", "OPENAI_", "OPENROUTER_", "GEMINI_")
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
START_SECONDS = 60.0

# --- checks and running ------------------------------------------------------------------------------------------------

_tests = []


def test(name):
    """Register a test; its name starts with the conformance ids it covers."""
    def add(fn):
        _tests.append((name, fn))
        return fn
    return add


def eq(got, want, what=""):
    if got != want:
        raise AssertionError("%sgot %r, want %r" % (what + ": " if what else "", got, want))


def has(text, part):
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if part not in text:
        raise AssertionError("%r is missing in %r" % (part, text))


def hasnot(text, part):
    if part in text:
        raise AssertionError("%r must not be in %r" % (part, text))


def ok(cond, what="condition"):
    if not cond:
        raise AssertionError(what)


def until(fn, seconds=10.0, what="condition"):
    """Wait for @fn to become true, looking often."""
    end = time.monotonic() + seconds
    while True:
        value = fn()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("not within %g s: %s" % (seconds, what))
        time.sleep(0.01)


def main():
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    passed = failed = 0
    for name, fn in _tests:
        if only not in name:
            continue
        try:
            fn()
            print("ok - " + name)
            passed += 1
        except Exception:
            print("not ok - " + name)
            print("\n".join("#   " + line for line in traceback.format_exc().splitlines()))
            failed += 1
        sys.stdout.flush()
    print("# passed %d failed %d" % (passed, failed))
    sys.exit(1 if failed else 0)


def together(n, fn):
    """Call fn(i) in n threads that start at once; the list of results, exceptions included."""
    results = [None] * n
    gate = threading.Barrier(n)

    def run(i):
        gate.wait()
        try:
            results[i] = fn(i)
        except Exception as e:
            results[i] = e
    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


@contextlib.contextmanager
def tempdir():
    path = tempfile.mkdtemp(prefix="og-", dir=os.environ.get("TMPDIR") or "/tmp")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


# --- the CLI -------------------------------------------------------------------------------------------------------------

class Result:
    def __init__(self, args, proc):
        self.args, self.code = args, proc.returncode
        self.out, self.err = proc.stdout.decode("utf-8", "replace"), proc.stderr.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return "%s -> %d\nstdout: %s\nstderr: %s" % (" ".join(self.args), self.code, self.out, self.err)


def cli(*args, env=None, stdin=b"", cwd=None, timeout=120):
    """Run `omnigraph ARGS`, whatever the outcome."""
    proc = subprocess.run([CLI, *args], input=stdin.encode() if isinstance(stdin, str) else stdin, capture_output=True, cwd=cwd,
                          timeout=timeout, env={**CLEAN, "HOME": "/nonexistent", **(env or {})})
    return Result(args, proc)


def run(*args, **kw):
    """Run `omnigraph ARGS`; it must succeed."""
    r = cli(*args, **kw)
    if r.code:
        raise AssertionError(repr(r))
    return r


# --- clusters ----------------------------------------------------------------------------------------------------------------

SCHEMA = """node Plant {
    name: String @key
    age: I32?
    note: String?
}

node Bed {
    label: String
}

edge GrowsNear: Plant -> Plant { since: Date? }
"""

QUERIES = """query find($n: String) @description("One plant by name.") {
    match { $p: Plant { name: $n } }
    return { $p.name, $p.age }
}

query all() {
    match { $p: Plant }
    return { $p.name }
    order { $p.name asc }
}

query add($n: String, $age: I32?) {
    insert Plant { name: $n, age: $age }
}

query rename_note($n: String, $note: String?) {
    update Plant set { note: $note } where name = $n
}

query drop($n: String) {
    delete Plant where name = $n
}
"""

POLICY = """version: 1
groups:
  gardeners: [act-ada]
rules:
  - id: garden
    allow:
      actors: { group: gardeners }
      actions: [%s]
"""


class Cluster:
    """A configuration directory with an applied revision."""

    def __init__(self, path, graphs=None, extra="", queries=QUERIES, schema=SCHEMA):
        self.path = path
        self.config(graphs or ["herbarium"], extra, queries, schema)

    def file(self, name):
        return os.path.join(self.path, name)

    def config(self, graphs, extra="", queries=QUERIES, schema=SCHEMA):
        """Write the files: @graphs is a list of ids, or a map from ids to further YAML lines of that graph."""
        text = "version: 1\nmetadata:\n  name: test\ngraphs:\n"
        for g in graphs:
            more = graphs[g] if isinstance(graphs, dict) else ""
            text += "  %s:\n    schema: %s.pg\n" % (g, g)
            if queries:
                text += "    queries: %s.gq\n" % g
                write(self.file(g + ".gq"), queries)
            text += "".join("    %s\n" % line for line in (more or "").splitlines())
            write(self.file(g + ".pg"), schema)
        write(self.file("cluster.yaml"), text + extra)

    def apply(self, *args, env=None):
        for step in ("import", "apply"):
            run("cluster", step, "--config", self.path, *(args if step == "apply" else ()), env=env)
        return self

    def root(self, graph="herbarium"):
        return self.file("graphs/%s.omni" % graph)

    def load(self, rows, graph="herbarium", mode="append"):
        text = "".join(json.dumps(r) + "\n" for r in rows)
        path = write(self.file("rows.jsonl"), text)
        # a cluster's graphs are loaded through their root, like an operator would
        return run("load", "--mode", mode, "--data", path, self.root(graph))

    def serve(self, *args, env=None, open_=True, **kw):
        return Server(["--cluster", self.path] + (["--unauthenticated"] if open_ else []) + list(args), env, **kw)

    def refused(self, *args, env=None, open_=True):
        """Start a server that must not come up; its Result."""
        return refused("--cluster", self.path, *(["--unauthenticated"] if open_ else []), *args, env=env)


@contextlib.contextmanager
def cluster(graphs=None, applied=True, **kw):
    with tempdir() as d:
        c = Cluster(os.path.join(d, "c"), graphs, **kw)
        yield c.apply() if applied else c


def plant(name, **data):
    return {"type": "Plant", "data": dict(name=name, **data)}


def near(a, b, **data):
    return {"edge": "GrowsNear", "from": a, "to": b, "data": data}


def tokens(**actors):
    """Environment with a token "t-<actor>" per actor name; underscores become dashes."""
    names = {a.replace("_", "-"): t for a, t in actors.items()}
    return {"OMNIGRAPH_SERVER_BEARER_TOKENS_JSON": json.dumps(names)}


ADA = {"OMNIGRAPH_SERVER_BEARER_TOKENS_JSON": json.dumps({"act-ada": "t-ada", "act-bo": "t-bo"})}
AS_ADA = {"Authorization": "Bearer t-ada"}
AS_BO = {"Authorization": "Bearer t-bo"}

# --- servers ----------------------------------------------------------------------------------------------------------------

PREFIX = "OMNIGRAPH_LISTEN_ADDR="


def refused(*args, env=None):
    proc = subprocess.run([SERVER, *args, "--bind", "127.0.0.1:0"], capture_output=True, timeout=START_SECONDS,
                          env={**CLEAN, **(env or {})})
    r = Result(args, proc)
    if r.out.startswith(PREFIX):
        raise AssertionError("the server started: %r" % r)
    return r


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8")

    def json(self):
        return json.loads(self.body)

    def error(self):
        return self.json()["error"]

    def __repr__(self):
        return "%d %r" % (self.status, self.body[:2000])


class Server:
    """A running omnigraph-server; a context manager that stops it with SIGTERM and wants exit status 0."""

    def __init__(self, args, env=None, bind="127.0.0.1:0"):
        self.log_file = tempfile.TemporaryFile()
        # the server shares the offset, which log() moves: its lines must go to the end all the same
        fcntl.fcntl(self.log_file, fcntl.F_SETFL, fcntl.fcntl(self.log_file, fcntl.F_GETFL) | os.O_APPEND)
        self.started = time.monotonic()
        self.proc = subprocess.Popen([SERVER, *args, "--bind", bind], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=self.log_file, env={**CLEAN, **(env or {})},
                                     # nohup and the like ignore it, and what is ignored is inherited
                                     preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([self.proc.stdout], [], [], START_SECONDS)[0]:
                self.kill()
                raise AssertionError("no listen record within %g s\n%s" % (START_SECONDS, self.log()))
            more = os.read(self.proc.stdout.fileno(), 4096)
            if not more:
                self.proc.wait()
                raise AssertionError("the server ended with %d\n%s" % (self.proc.returncode, self.log()))
            line += more
        self.ready_seconds = time.monotonic() - self.started
        self.record = line.decode()
        eq(self.record[:len(PREFIX)], PREFIX)
        self.address = self.record[len(PREFIX):].strip()
        host, port = self.address.rsplit(":", 1)
        self.host, self.port = host.strip("[]"), int(port)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.kill()
            print("#   server log:\n" + "\n".join("#     " + x for x in self.log().splitlines()[-30:]))
        elif self.proc.poll() is None:
            eq(self.stop(), 0, "exit status of the server; log: " + self.log()[-2000:])

    def log(self):
        self.log_file.seek(0)
        return self.log_file.read().decode("utf-8", "replace")

    def stop(self, sig=signal.SIGTERM, seconds=30):
        self.proc.send_signal(sig)
        try:
            self.proc.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the server did not stop within %g s" % seconds)
        rest = self.proc.stdout.read()
        eq(rest, b"", "standard output after the listen record")
        self.proc.stdout.close()
        return self.proc.returncode

    def kill(self):
        self.proc.kill()
        self.proc.wait()
        self.proc.stdout.close()

    def rss_kib(self):
        with open("/proc/%d/status" % self.proc.pid) as f:
            return int([x for x in f if x.startswith("VmRSS:")][0].split()[1])

    def connect(self, timeout=60):
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def request(self, method, path, body=None, headers=None, conn=None, **kw):
        """@body: bytes or text as they are, anything else as JSON with its content type."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)) and not hasattr(body, "__next__"):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        if isinstance(body, str):
            body = body.encode()
        c = conn or self.connect()
        try:
            c.request(method, path, body, headers, **kw)
            r = c.getresponse()
            return Reply(r.status, r.headers, r.read())
        finally:
            if not conn:
                c.close()

    def get(self, path, **kw):
        return self.request("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self.request("POST", path, body, **kw)

    def delete(self, path, **kw):
        return self.request("DELETE", path, **kw)

    def ndjson(self, path, rows, **kw):
        text = rows if isinstance(rows, (str, bytes)) else "".join(json.dumps(r) + "\n" for r in rows)
        headers = {"Content-Type": "application/x-ndjson", **kw.pop("headers", {})}
        return self.request("POST", path, text, headers=headers, **kw)

    def socket(self, timeout=20):
        return socket.create_connection((self.host, self.port), timeout=timeout)

    def raw(self, data, timeout=20):
        """Send bytes as they are, read until the server closes (or @timeout)."""
        with self.socket(timeout) as s:
            s.sendall(data)
            return read_all(s)

    # the graph that most tests use

    def query(self, text, params=None, graph="herbarium", **more):
        headers = more.pop("headers", None)
        return self.post("/graphs/%s/query" % graph, dict(query=text, params=params, **more), headers=headers)

    def mutate(self, text, params=None, graph="herbarium", **more):
        headers = more.pop("headers", None)
        return self.post("/graphs/%s/mutate" % graph, dict(query=text, params=params, **more), headers=headers)

    def names(self, graph="herbarium", **more):
        r = self.query("query q() { match { $p: Plant } return { $p.name as n } order { $p.name asc } }", graph=graph, **more)
        eq(r.status, 200, repr(r))
        return [row["n"] for row in r.json()["rows"]]


def read_all(s):
    out = b""
    with contextlib.suppress(ConnectionResetError):
        while True:
            try:
                more = s.recv(65536)
            except socket.timeout:
                raise AssertionError("the connection stays open after %r" % out[:500])
            if not more:
                break
            out += more
    return out


def sanitized():
    """The server is a sanitizer build: memory figures mean nothing."""
    with open(SERVER, "rb") as f:
        text = f.read()
    return b"__asan_init" in text or b"__tsan_init" in text


def quote(text):
    return urllib.parse.quote(text, safe="")

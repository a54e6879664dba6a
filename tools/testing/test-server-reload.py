#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Extensions of the server: --reload-on-hup and --retry-quarantined. Every wait looks at something observable, with a deadline."""
import json
import os
import shutil
import signal
import threading

import og

HUP = "--reload-on-hup"
RETRY = {"OMNIGRAPH_RETRY_QUARANTINED_MS": "20"}
FIRST = 'query which() { match { $p: Plant } return { $p.name as first } }\n'
SECOND = FIRST.replace("first", "second")


def hup(s, times=1):
    """Ask for a reload and wait until the server has decided."""
    def decided():
        return s.log().count("applied revision swapped in") + s.log().count("applied revision refused")
    for _ in range(times):
        before = decided()
        s.proc.send_signal(signal.SIGHUP)
        og.until(lambda: decided() > before, 30, "the reload's outcome")


def columns(s, query="which", graph="herbarium"):
    r = s.post("/graphs/%s/queries/%s" % (graph, query))
    return r.json()["columns"] if r.status == 200 else r.status


def apply(c, env=None):
    return og.run("cluster", "apply", "--config", c.path, "--json", env=env).json()


def sidecar(c, graph):
    body = {"schema_version": 1, "operation_id": "01J8Z0Q6W2M3N4P5R6S7T8V9WX", "started_at": "2026-03-01T09:00:00Z",
            "kind": "schema_apply", "graph_id": graph, "graph_uri": c.root(graph), "desired_schema_digest": "0" * 64}
    return og.write(c.file("__cluster/recoveries/01J8Z0Q6W2M3N4P5R6S7T8V9WX.json"), json.dumps(body))


@og.test("without --reload-on-hup SIGHUP ends the process, as for every program that does not ask for it")
def _():
    with og.cluster() as c:
        s = c.serve()
        s.proc.send_signal(signal.SIGHUP)
        og.eq(s.proc.wait(20), -signal.SIGHUP)
        s.proc.stdout.close()


@og.test("--reload-on-hup: SIGHUP swaps the applied revision in: queries, graphs, and what was dropped; tokens stay")
def _():
    with og.cluster(["herbarium", "attic"], queries=FIRST) as c:
        with c.serve(HUP, open_=False, env=og.ADA) as s:
            def names():
                return s.get("/graphs/herbarium/queries", headers=og.AS_ADA)

            og.eq(columns(s), 401)
            c.config(["herbarium", "cellar"], queries=FIRST + "query more() { match { $p: Plant } return { $p.age } }\n")
            og.run("cluster", "approve", "graph.attic", "--config", c.path, "--as", "act-ada")
            og.eq(apply(c)["converged"], True)
            og.eq([q["name"] for q in names().json()["queries"]], ["which"])
            og.eq(s.get("/graphs/cellar/snapshot", headers=og.AS_ADA).status, 404)
            hup(s)
            og.has(s.log(), "applied revision swapped in reason=SIGHUP state_revision=3 graph_count=2 quarantined=0")
            og.eq([q["name"] for q in names().json()["queries"]], ["more", "which"])
            og.eq(s.get("/graphs/cellar/snapshot", headers=og.AS_ADA).status, 200)
            og.eq(s.get("/graphs/attic/snapshot", headers=og.AS_ADA).status, 404)
            og.eq(columns(s), 401)
            og.until(lambda: "retired revision closed" in s.log(), what="the old revision is closed")


@og.test("--reload-on-hup: an export under way ends on the revision it began with, also when its graph is dropped")
def _():
    rows = [og.plant("p%05d" % i, note="n" * 800) for i in range(20000)]  # more than the sockets hold
    with og.cluster(["herbarium", "other"], queries=FIRST) as c:
        c.load(rows)
        with c.serve(HUP) as s:
            slow = s.connect()
            slow.request("POST", "/graphs/herbarium/export", b"{}", {"Content-Type": "application/json"})
            reply = slow.getresponse()
            og.eq(reply.status, 200)
            c.config(["other"], queries=SECOND)
            og.run("cluster", "approve", "graph.herbarium", "--config", c.path, "--as", "act-ada")
            og.eq(apply(c)["converged"], True)
            hup(s)
            og.eq(s.get("/graphs/herbarium/snapshot").status, 404)
            og.eq(columns(s, graph="other"), ["second"])
            og.hasnot(s.log(), "retired revision closed")
            og.eq(sorted(json.loads(line)["data"]["name"] for line in reply), [r["data"]["name"] for r in rows])
            slow.close()
            og.until(lambda: "retired revision closed" in s.log(), what="the old revision is closed")


@og.test("--reload-on-hup: a revision that is worse is refused and the one in service stays")
def _():
    with og.cluster(["herbarium", "other"], queries=FIRST) as c:
        state = og.read(c.file("__cluster/state.json"))
        with c.serve(HUP) as s:
            og.write(c.file("__cluster/state.json"), "{")
            hup(s)
            og.has(s.log(), "[invalid_state_json]")
            og.write(c.file("__cluster/state.json"), state)
            path = sidecar(c, "other")
            hup(s)
            og.has(s.log(), "graph 'other' is served now and would be quarantined")
            os.unlink(path)
            shutil.move(c.root("herbarium"), c.root("herbarium") + ".away")
            hup(s)
            og.has(s.log(), "graph 'herbarium' is served now and would be quarantined")
            shutil.move(c.root("herbarium") + ".away", c.root("herbarium"))
            og.eq(s.log().count("applied revision refused, the one in service stays"), 3)
            og.eq([columns(s, graph=g) for g in ("herbarium", "other")], [["first"]] * 2)
            c.config(["herbarium", "other"], queries=SECOND)
            apply(c)
            hup(s)
            og.eq([columns(s, graph=g) for g in ("herbarium", "other")], [["second"]] * 2)


@og.test("--reload-on-hup: requests that run while revisions are swapped all succeed, each on one revision")
def _():
    with og.cluster(queries=FIRST) as c:
        c.load([og.plant("fern")])
        with c.serve(HUP) as s:
            stop, problems = threading.Event(), []

            def ask(i):
                conn = s.connect()
                while not stop.is_set():
                    r = s.post("/graphs/herbarium/queries/which", conn=conn)
                    doc = r.json()
                    if r.status != 200 or doc["columns"] != list(doc["rows"][0]) or doc["columns"] not in (["first"], ["second"]):
                        problems.append(repr(r))
                        break
                conn.close()
            threads = [threading.Thread(target=ask, args=(i,)) for i in range(3)]
            for t in threads:
                t.start()
            try:
                for k in range(6):
                    c.config(["herbarium"], queries=(SECOND, FIRST)[k % 2])
                    apply(c)
                    hup(s)
            finally:
                stop.set()
                for t in threads:
                    t.join()
            og.eq(problems, [])
            og.eq(columns(s), ["first"])


@og.test("--retry-quarantined: a root that comes back joins; what was served is served throughout")
def _():
    with og.cluster(["alpha", "beta"], queries=FIRST) as c:
        shutil.move(c.root("beta"), c.root("beta") + ".away")
        with c.serve("--retry-quarantined", env=RETRY) as s:
            og.eq([columns(s, graph=g) for g in ("alpha", "beta")], [["first"], 404])
            tries = s.log().count("graph quarantined during startup")
            og.until(lambda: s.log().count("graph quarantined during startup") > tries, 30, "a try that fails")
            og.eq(columns(s, graph="beta"), 404)
            shutil.move(c.root("beta") + ".away", c.root("beta"))
            og.until(lambda: columns(s, graph="beta") == ["first"], 30, "the graph joins")
            og.has(s.log(), "applied revision swapped in reason=retry")
            og.eq(columns(s, graph="alpha"), ["first"])


@og.test("--retry-quarantined: a graph that waits for recovery joins once an apply has swept it")
def _():
    with og.cluster(["alpha", "beta"], queries=FIRST) as c:
        sidecar(c, "beta")
        with c.serve("--retry-quarantined", env=RETRY) as s:
            og.eq(columns(s, graph="beta"), 404)
            apply(c)
            og.until(lambda: columns(s, graph="beta") == ["first"], 30, "the graph joins")


@og.test("--retry-quarantined does not soften a boot: no healthy graph and strict boots are refused")
def _():
    with og.cluster(["alpha", "beta"]) as c:
        sidecar(c, "beta")
        og.has(c.refused("--retry-quarantined", "--require-all-graphs", env=RETRY).err, "strict cluster boot requires every applied graph")
        for g in ("alpha", "beta"):
            shutil.rmtree(c.root(g))
        og.eq(c.refused("--retry-quarantined", env=RETRY).code, 1)


og.main()

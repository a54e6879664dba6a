#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Starting and stopping the server: command line, snapshot, quarantine, runtime states, tokens, signals."""
import contextlib
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess

import harness
import og

OPEN = {"OMNIGRAPH_UNAUTHENTICATED": "1"}


@og.test("SRV-01 without --cluster the boot is refused")
def _():
    r = og.refused()
    og.eq(r.code, 1)
    og.has(r.err, "boots from a cluster")
    og.has(r.err, "--cluster <dir|s3://")
    og.eq(r.out, "")


@og.test("SRV-02 positional arguments, --config and malformed options exit 2; --help exits 0")
def _():
    for args in (["s3://bucket/graph"], ["--config", "x"], ["--cluster"], ["--cluster", "x", "--bind", "nowhere"],
                 ["--target", "x"]):
        r = subprocess.run([og.SERVER, *args], capture_output=True, timeout=20)
        og.eq(r.returncode, 2, str(args))
        og.eq(r.stdout, b"")
    r = subprocess.run([og.SERVER, "--help"], capture_output=True, timeout=20)
    og.eq(r.returncode, 0)
    og.has(r.stdout, "--require-all-graphs")


@og.test("SRV-03 one listen record names the bound port, which answers; SIGTERM and SIGINT exit 0")
def _():
    with og.cluster() as c:
        for sig in (signal.SIGTERM, signal.SIGINT):
            s = c.serve()
            og.ok(re.fullmatch(r"OMNIGRAPH_LISTEN_ADDR=127\.0\.0\.1:\d+\n", s.record), s.record)
            og.eq(s.get("/healthz").status, 200)
            og.eq(s.stop(sig), 0)
            og.has(s.log(), "shutdown signal received")
        if socket.has_ipv6 and os.path.exists("/proc/net/if_inet6"):
            with c.serve(bind="[::1]:0") as s:
                og.ok(s.address.startswith("[::1]:"), s.address)
                og.eq(s.get("/healthz").status, 200)
        with c.serve() as s, socket.socket() as held:
            r = subprocess.run([og.SERVER, "--cluster", c.path, "--unauthenticated", "--bind", s.address],
                               capture_output=True, timeout=20, env=og.CLEAN)
            og.eq(r.returncode, 1)
            og.has(r.stderr, "cannot listen on")
            held.close()


@og.test("SRV-04 a root URI alone is enough, no local configuration is read")
def _():
    with og.cluster() as c:
        with og.tempdir() as d:
            root = os.path.join(d, "root")
            os.makedirs(root)
            for name in ("__cluster", "graphs"):
                shutil.copytree(c.file(name), os.path.join(root, name))
            with og.Server(["--cluster", "file://" + root, "--unauthenticated"]) as s:
                og.eq(s.get("/graphs/herbarium/snapshot").status, 200)
            with og.Server(["--cluster", "file://" + root + "/", "--unauthenticated"]) as s:
                og.eq(s.get("/graphs/herbarium/queries").status, 200)


@og.test("SRV-05 no tokens, no policy, no opt-in is refused; the variable opts in by rule B1")
def _():
    with og.cluster() as c:
        r = c.refused(open_=False)
        og.eq(r.code, 1)
        for part in ("no bearer tokens and no policy file configured", "--unauthenticated", "OMNIGRAPH_UNAUTHENTICATED=1"):
            og.has(r.err, part)
        for value in ("0", " false ", "FALSE", ""):
            og.eq(c.refused(open_=False, env={"OMNIGRAPH_UNAUTHENTICATED": value}).code, 1, value)
        for value in ("1", "no"):
            with c.serve(open_=False, env={"OMNIGRAPH_UNAUTHENTICATED": value}) as s:
                og.has(s.log(), "WARN")
                og.eq(s.get("/graphs/herbarium/snapshot").status, 200)


def with_policy(binding, actions):
    return "policies:\n  p:\n    file: p.yaml\n    applies_to: [%s]\n" % binding, og.POLICY % actions


@og.test("SRV-06 a policy without tokens is refused, with or without the opt-in")
def _():
    extra, text = with_policy("herbarium", "read")
    with og.cluster(extra=extra, applied=False) as c:
        og.write(c.file("p.yaml"), text)
        c.apply()
        for open_ in (False, True):
            r = c.refused(open_=open_)
            og.eq(r.code, 1)
            og.has(r.err, "policy file is configured but no bearer tokens")
            og.has(r.err, "every request would 401")


@og.test("without a policy engine a graph-bound bundle quarantines its graph, a cluster-bound one refuses the boot")
def _():
    extra, text = with_policy("walled", "read")
    with og.cluster(["herbarium", "walled"], extra=extra, applied=False) as c:
        og.write(c.file("p.yaml"), text)
        c.apply()
        with c.serve(open_=False, env=og.ADA) as s:
            og.eq(s.get("/graphs/herbarium/snapshot", headers=og.AS_ADA).status, 200)
            og.eq(s.get("/graphs/walled/snapshot", headers=og.AS_ADA).status, 404)
            og.has(s.log(), "CONFIG_SECURITY_CEDAR")
        r = c.refused("--require-all-graphs", env=og.ADA)
        og.has(r.err, "strict multi-graph startup requires every graph to open (2 configured, 1 failed)")
    extra, text = with_policy("cluster", "graph_list")
    with og.cluster(extra=extra, applied=False) as c:
        og.write(c.file("p.yaml"), text)
        c.apply()
        r = c.refused(env=og.ADA)
        og.eq(r.code, 1)
        og.has(r.err, "CONFIG_SECURITY_CEDAR")


def sidecar(c, graph_id, name="01J8Z0Q6W2M3N4P5R6S7T8V9WX", raw=None):
    body = {"schema_version": 1, "operation_id": name, "started_at": "2026-03-01T09:00:00Z", "actor": None,
            "kind": "schema_apply", "graph_id": graph_id, "graph_uri": c.root(graph_id or "x"),
            "observed_manifest_version": 1, "expected_manifest_version": None, "desired_schema_digest": "0" * 64,
            "state_cas_base": None, "approval_id": None}
    og.write(c.file("__cluster/recoveries/%s.json" % name), raw if raw is not None else json.dumps(body))


@og.test("SRV-10 missing state, a malformed sidecar, a tampered query blob and an unknown directory end the boot")
def _():
    with og.cluster() as c:
        sidecar(c, "herbarium", raw="{")
        r = c.refused()
        og.eq(r.code, 1)
        og.has(r.err, "is not ready to serve:")
        og.has(r.err, "[invalid_recovery_sidecar]")
    with og.cluster() as c:
        sidecar(c, "")
        og.has(c.refused().err, "[cluster_recovery_unattributed]")
    with og.cluster() as c:
        blobs = [p for p in glob.glob(c.file("__cluster/**/*"), recursive=True) if os.path.isfile(p) and "quer" in p]
        og.ok(blobs, "query blobs of the catalog")
        for p in blobs:
            with open(p, "a") as f:
                f.write(" ")
        r = c.refused()
        og.eq(r.code, 1)
        og.has(r.err, "[catalog_payload_digest_mismatch]")
        og.has(r.err, "cluster refresh")
    with og.cluster(applied=False) as c:
        r = c.refused()
        og.eq(r.code, 1)
        og.has(r.err, "[cluster_state_missing]")
        og.has(r.err, "the cluster at '%s' is not ready to serve:" % c.path)


def damage_root(c, graph):
    shutil.move(c.root(graph), c.root(graph) + ".away")


@og.test("SRV-11 SRV-12 SRV-13 an unopenable root quarantines one graph, strict mode refuses, none left refuses")
def _():
    with og.cluster(["alpha", "beta"]) as c:
        damage_root(c, "beta")
        with c.serve() as s:
            og.eq(s.get("/graphs/alpha/snapshot").status, 200)
            r = s.get("/graphs/beta/snapshot")
            og.eq((r.status, r.json()), (404, {"error": "graph 'beta' not found", "code": "not_found"}))
            og.has(s.log(), "graph quarantined during startup graph_id=beta")
        for args, env in ((["--require-all-graphs"], None), ([], {"OMNIGRAPH_REQUIRE_ALL_GRAPHS": "yes"})):
            r = c.refused(*args, env=env)
            og.eq(r.code, 1)
            og.has(r.err, "strict multi-graph startup requires every graph to open (2 configured, 1 failed)")
        damage_root(c, "alpha")
        r = c.refused()
        og.eq(r.code, 1)
        og.has(r.err, "no healthy graphs opened from multi-graph startup config (2 configured, 2 failed)")


@og.test("SRV-11 SRV-12 an unset embedding secret quarantines one graph at the settings layer")
def _():
    provider = ("providers:\n  embedding:\n    remote:\n      kind: openai\n      api_key: ${GARDEN_KEY}\n"
                "    local:\n      kind: mock\n      model: m1\n")
    graphs = {"alpha": "embedding_provider: remote", "beta": "embedding_provider: local"}
    with og.cluster(graphs, extra=provider) as c:
        with c.serve() as s:
            og.eq(s.get("/graphs/alpha/snapshot").status, 404)
            og.eq(s.get("/graphs/beta/snapshot").status, 200)
            og.has(s.log(), "graph quarantined because embedding provider configuration failed graph_id=alpha")
            og.has(s.log(), "embedding api_key env var 'GARDEN_KEY' is not set")
        r = c.refused("--require-all-graphs")
        og.has(r.err, "strict cluster boot requires every graph to build startup settings (quarantined: alpha: ")
        og.has(r.err, "embedding provider for graph 'alpha': ")
        with c.serve(env={"GARDEN_KEY": "k-s3cret"}) as s:
            # 404: the provider is not in this build
            og.ok(s.get("/graphs/alpha/snapshot").status == 200 or "CONFIG_ENGINE_EMBED" in s.log(), s.log())
            og.hasnot(s.log(), "k-s3cret")


@og.test("SRV-09 a graph-attributed recovery sidecar quarantines that graph")
def _():
    with og.cluster(["alpha", "beta"]) as c:
        example = glob.glob(c.file("__cluster/recoveries/*.json"))
        og.eq(example, [], "sidecars after a clean apply")
        sidecar(c, "beta")
        r = og.cli("cluster", "status", "--config", c.path, "--json")
        if "invalid_recovery_sidecar" in r.out:
            raise AssertionError("the test's sidecar is not valid: " + r.out)
        with c.serve() as s:
            og.eq(s.get("/graphs/alpha/snapshot").status, 200)
            og.eq(s.get("/graphs/beta/snapshot").status, 404)
            og.has(s.log(), "cluster startup diagnostic code=cluster_recovery_pending path=graph.beta")
        r = c.refused("--require-all-graphs")
        og.has(r.err, "strict cluster boot requires every applied graph to be ready; startup diagnostics:")
        og.has(r.err, "[cluster_recovery_pending] graph.beta: ")
        sidecar(c, "alpha", "01J8Z0Q6W2M3N4P5R6S7T8V9WZ")
        og.has(c.refused().err, "[cluster_no_healthy_graphs]")


@og.test("CLU-24 CLU-26 a query in the ledger without its graph is warned about, and is no reason for a strict boot to fail")
def _():
    with og.cluster() as c:
        path = c.file("__cluster/state.json")
        ledger = json.loads(og.read(path))
        ledger["applied_revision"]["resources"]["query.gone.q"] = {"digest": "0" * 64}
        og.write(path, json.dumps(ledger))
        with c.serve("--require-all-graphs") as s:
            og.eq(s.get("/graphs/herbarium/snapshot").status, 200)
            og.has(s.log(), "cluster startup diagnostic code=query_without_graph path=query.gone.q")


def tamper(c, graph, query, text):
    """Put another text into the applied revision under a stored query, consistent in every digest."""
    path = c.file("__cluster/state.json")
    ledger = json.loads(og.read(path))
    resources = ledger["applied_revision"]["resources"]
    resources["query.%s.%s" % (graph, query)]["digest"] = digest = hashlib.sha256(text.encode()).hexdigest()
    og.write(c.file("__cluster/resources/query/%s/%s/%s.gq" % (graph, query, digest)), text)
    prefix = "query.%s." % graph
    parts = ["graph", graph, "schema", resources["schema." + graph]["digest"]]
    for name in sorted(r[len(prefix):] for r in resources if r.startswith(prefix)):
        parts += ["query", name, resources[prefix + name]["digest"]]
    resources["graph." + graph]["digest"] = hashlib.sha256("".join(p + "\0" for p in parts).encode()).hexdigest()
    og.write(path, json.dumps(ledger))


TROUBLED = ("binding", "parse", "root", "secret", "sidecar", "type", "under_score")


@contextlib.contextmanager
def troubled(extra=""):
    """A cluster with one healthy graph and one for each thing that can be wrong with a graph."""
    provider = "providers:\n  embedding:\n    remote: { kind: openai, api_key: \"${GARDEN_KEY}\" }\n"
    policy = "policies:\n  p: { file: p.yaml, applies_to: [binding] }\n" + extra
    graphs = {g: "embedding_provider: remote" if g == "secret" else "" for g in TROUBLED + ("healthy",)}
    with og.cluster(graphs, extra=provider + policy, applied=False) as c:
        og.write(c.file("p.yaml"), og.POLICY % "read")
        og.write(c.file("q.yaml"), og.POLICY % "graph_list")
        c.apply()
        tamper(c, "parse", "all", "query all( {")
        tamper(c, "type", "all", "query all() { match { $p: Weed } return { $p.name } }")
        damage_root(c, "root")
        sidecar(c, "sidecar")
        yield c


@og.test("SRV-11 SRV-12 CLU-63 every layer of the boot logs the graph it quarantines and why; its routes answer 404")
def _():
    cedar = harness.features()["cedar"]
    with troubled() as c, c.serve(open_=False, env=og.ADA) as s:
        log = s.log()
        for part in ("code=cluster_recovery_pending path=graph.sidecar",
                     "graph quarantined because stored queries failed to parse graph_id=parse errors=\"stored query 'all': ",
                     "graph quarantined because embedding provider configuration failed graph_id=secret",
                     "embedding api_key env var 'GARDEN_KEY' is not set",
                     "graph quarantined during startup graph_id=root",
                     "graph quarantined during startup graph_id=type",
                     "1 stored query failed the schema check:",
                     "graph quarantined during startup graph_id=under_score",
                     "must match ^[a-zA-Z0-9-]{1,64}$"):
            og.has(log, part)
        for g in TROUBLED:
            if g == "under_score" or (g == "binding" and cedar):
                continue
            for route in ("snapshot", "queries", "schema", "branches"):
                r = s.get("/graphs/%s/%s" % (g, route), headers=og.AS_ADA)
                og.eq((r.status, r.error()), (404, "graph '%s' not found" % g))
        og.eq(s.get("/graphs/healthy/snapshot", headers=og.AS_ADA).status, 200)
        og.has(log, "graph_count=%d" % (2 if cedar else 1))


@harness.test("SRV-11 a quarantined graph is not listed", "server", "cedar")
def _():
    with troubled("  q: { file: q.yaml, applies_to: [cluster] }\n") as c, c.serve(open_=False, env=og.ADA) as s:
        r = s.get("/graphs", headers=og.AS_ADA)
        og.eq([g["graph_id"] for g in r.json()["graphs"]], ["binding", "healthy"])


@og.test("SRV-14 catalog files are not read after the boot")
def _():
    with og.cluster() as c, c.serve() as s:
        shutil.rmtree(c.file("__cluster"))
        os.unlink(c.file("cluster.yaml"))
        og.eq(s.post("/graphs/herbarium/queries/all").status, 200)
        og.eq(len(s.get("/graphs/herbarium/queries").json()["queries"]), 5)


@og.test("SRV-19 token sources merge; duplicates and blank entries refuse the boot; OMNIGRAPH_LOG is checked")
def _():
    with og.cluster() as c:
        path = og.write(c.file("tokens.json"), json.dumps({"act-ada": " t-ada "}))
        env = {"OMNIGRAPH_SERVER_BEARER_TOKEN": "t-one", "OMNIGRAPH_SERVER_BEARER_TOKENS_FILE": path}
        with c.serve(open_=False, env=env) as s:
            for token in ("t-one", "t-ada"):
                og.eq(s.get("/graphs/herbarium/snapshot", headers={"Authorization": "Bearer " + token}).status, 200)
            og.has(s.log(), "loaded bearer token source source=env-or-file")
            og.hasnot(s.log(), "t-ada")
            with open("/proc/%d/environ" % s.proc.pid, "rb") as f:
                og.hasnot(f.read().decode(), "t-one")
        for text, message in (('{"default":"x"}', "duplicate bearer token actor 'default'"),
                              ('{"a":"t-one"}', "duplicate bearer token value configured"),
                              ('{"a":" "}', "bearer token for actor 'a' must not be blank"),
                              ('{" ":"x"}', "bearer token actor names must not be blank"),
                              ('["x"]', "must be a JSON object of actor->token")):
            og.write(path, text)
            r = c.refused(open_=False, env=env)
            og.eq(r.code, 1)
            og.has(r.err, message)
        r = c.refused(env={"OMNIGRAPH_SERVER_BEARER_TOKENS_AWS_SECRET": "arn:x"})
        og.has(r.err, "OMNIGRAPH_SERVER_BEARER_TOKENS_AWS_SECRET")
        og.eq(c.refused(env={"OMNIGRAPH_LOG": "loud"}).code, 1)


@og.test("SRV-20 plaintext tokens are not in the memory of the process after boot")
def _():
    if og.sanitized():
        print("# skip: a sanitizer keeps copies of the environment and of freed memory")
        return
    secret = "tok-" + "zq7x" * 8
    with og.cluster() as c, c.serve(open_=False, env=og.tokens(act_ada=secret)) as s:
        found = 0
        with open("/proc/%d/maps" % s.proc.pid) as maps, open("/proc/%d/mem" % s.proc.pid, "rb", 0) as mem:
            for line in maps:
                span, perms = line.split()[:2]
                if "w" not in perms or "[vvar" in line:
                    continue
                lo, hi = (int(x, 16) for x in span.split("-"))
                try:
                    mem.seek(lo)
                    found += mem.read(hi - lo).count(secret.encode())
                except (OSError, ValueError):
                    pass
        og.eq(found, 0, "copies of the token")


@og.test("SRV-71 boot events appear with their fields")
def _():
    with og.cluster() as c, c.serve(env={"OMNIGRAPH_PER_ACTOR_INFLIGHT_MAX": " 3"}) as s:
        log = s.log()
        og.has(log, "invalid env value, using default env=OMNIGRAPH_PER_ACTOR_INFLIGHT_MAX value=")
        og.ok(re.search(r"Z INFO \S+: serving omnigraph bind=127\.0\.0\.1:\d+ mode=cluster graph_count=1 config=", log), log)
        s.get("/graphs/herbarium/snapshot")
        s.post("/graphs/herbarium/queries/find", {"params": {"n": "fern"}})
        og.until(lambda: "stored query invoked" in s.log(), what="the invocation's event")
        og.has(s.log(), "graph routed graph_id=herbarium")
        og.ok(re.search(r"stored query invoked graph=herbarium actor=\S* query=find kind=read", s.log()), s.log())


@og.test("resident memory is under 12 MB after a start with one small graph, and the start is quick")
def _():
    with og.cluster() as c, c.serve() as s:
        og.eq(s.get("/graphs/herbarium/snapshot").status, 200)
        print("#   ready after %.1f ms, resident %d KiB" % (s.ready_seconds * 1000, s.rss_kib()))
        if not og.sanitized():
            og.ok(s.rss_kib() < 12 * 1024, "resident size %d KiB" % s.rss_kib())


og.main()

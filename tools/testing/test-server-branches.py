#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Branches, commits, the snapshot report."""
import og

G = "/graphs/herbarium"
ADD = "query add($n: String) { insert Plant { name: $n } }"


@og.test("SRV-51 branches are created, listed (main first) and deleted with the documented bodies")
def _():
    with og.cluster() as c, c.serve() as s:
        r = s.post(G + "/branches", {"name": "review"})
        og.eq((r.status, r.json()), (200, {"uri": c.root(), "from": "main", "name": "review", "actor_id": None}))
        og.eq(s.post(G + "/branches", {"name": "review/3", "from": "review"}).json()["from"], "review")
        og.eq(s.post(G + "/branches", {"name": "a-draft"}).status, 200)
        og.eq(s.get(G + "/branches").json(), {"branches": ["main", "a-draft", "review", "review/3"]})
        r = s.post(G + "/branches", {"name": "review"})
        og.eq((r.status, r.json()), (409, {"error": "branch 'review' already exists", "code": "conflict"}))
        r = s.post(G + "/branches", {"name": "x", "from": "nope"})
        og.eq((r.status, r.error()), (404, "branch 'nope' not found"))
        for name, text in (("main", "cannot create branch 'main'"), ("a//b", "a//b"), ("..", ".."), ("x.lock", "x.lock"),
                           ("__schema_apply_lock__", "does not allow internal system ref '__schema_apply_lock__'")):
            r = s.post(G + "/branches", {"name": name})
            og.eq((r.status, r.json()["code"]), (400, "bad_request"), name)
            og.has(r.error(), text)
        r = s.delete(G + "/branches/review")
        og.eq(r.status, 409)
        og.eq(r.error(), "cannot delete branch 'review' because descendant branch 'review/3' still depends on it")
        r = s.delete(G + "/branches/review%2F3")
        og.eq((r.status, r.json()), (200, {"uri": c.root(), "name": "review/3", "actor_id": None}))
        og.eq(s.delete(G + "/branches/review").status, 200)
        og.eq(s.delete(G + "/branches/review").json(), {"error": "branch 'review' not found", "code": "not_found"})
        r = s.delete(G + "/branches/main")
        og.eq((r.status, r.error()), (400, "cannot delete branch 'main'"))
        og.eq(s.delete(G + "/branches/a%zz").status, 400)
        og.eq(s.get(G + "/branches").json(), {"branches": ["main", "a-draft"]})


@og.test("SRV-53 commits are newest first and reach into the parent; no branch means main")
def _():
    with og.cluster() as c, c.serve() as s:
        s.mutate(ADD, {"n": "a"})
        s.post(G + "/branches", {"name": "side"})
        s.mutate(ADD, {"n": "b"}, branch="side")
        s.mutate(ADD, {"n": "c"})
        main = s.get(G + "/commits").json()["commits"]
        og.eq(main, s.get(G + "/commits?branch=main").json()["commits"])
        side = s.get(G + "/commits?branch=side").json()["commits"]
        og.eq([x["graph_manifest_version"] for x in main], [3, 2, 1])
        og.eq([x["graph_branch"] for x in side], ["side", None, None])
        og.eq(side[1:], main[1:])
        for x in side:
            og.eq(s.get(G + "/commits/" + x["graph_commit_id"]).json(), x)
        og.eq(main[-1]["parent_commit_id"], None)
        og.eq((s.names(), s.names(branch="side")), (["a", "c"], ["a", "b"]))
        og.eq(s.get(G + "/commits?branch=nope").status, 404)


@og.test("the snapshot report lists every type, edges first, with versions and counts")
def _():
    with og.cluster() as c, c.serve() as s:
        og.eq(s.post(G + "/branches", {"name": "side"}).status, 200)
        s.mutate(ADD, {"n": "a"}, branch="side")
        doc = s.get(G + "/snapshot?branch=side").json()
        og.eq(list(doc), ["graph_branch", "graph_manifest_version", "internal_schema_version", "datasets"])
        og.eq((doc["graph_branch"], doc["graph_manifest_version"]), ("side", 2))
        og.eq([(d["entity_kind"], d["type_name"], d["published_dataset_version"], d["native_dataset_branch"],
                d["entity_count"]) for d in doc["datasets"]],
              [("edge", "GrowsNear", 1, None, 0), ("node", "Bed", 1, None, 0), ("node", "Plant", 2, "side", 1)])
        og.eq(doc["internal_schema_version"], s.get("/healthz").json()["internal_schema_version"])
        main = s.get(G + "/snapshot").json()
        og.eq((main["graph_branch"], main["graph_manifest_version"]), ("main", 1))
        for d in doc["datasets"]:
            og.ok(not d["dataset_path"].startswith("/"), d["dataset_path"])


@og.test("a write by another process is seen by the next request")
def _():
    with og.cluster() as c, c.serve() as s:
        for i in range(3):
            c.load([og.plant("p%d" % i)])
            og.eq(s.names(), ["p%d" % k for k in range(i + 1)])
            og.eq(s.post(G + "/queries/find", {"params": {"n": "p%d" % i}}).json()["row_count"], 1)


MERGE = G + "/branches/merge"
AGE = "query age($n: String, $age: I32) { update Plant set { age: $age } where name = $n }"
DROP = "query drop($n: String) { delete Plant where name = $n }"


@og.test("SRV-51 SRV-52 a merge tells its outcome; delete_branch removes the source, or says why it could not")
def _():
    with og.cluster() as c, c.serve() as s:
        s.mutate(ADD, {"n": "a"})
        s.post(G + "/branches", {"name": "side"})
        merged = {"source": "side", "target": "main", "actor_id": None}
        og.eq(s.post(MERGE, {"source": "side"}).json(), {**merged, "outcome": "already_up_to_date"})
        s.mutate(ADD, {"n": "b"}, branch="side")
        head = s.get(G + "/commits?branch=side").json()["commits"][0]["graph_commit_id"]
        r = s.post(MERGE, {"source": "side", "target": "main"})
        og.eq((r.status, r.json()), (200, {**merged, "outcome": "fast_forward"}))
        og.eq(s.names(), ["a", "b"])
        newest = s.get(G + "/commits").json()["commits"][0]
        og.eq(newest["merged_parent_commit_id"], head)
        s.mutate(ADD, {"n": "c"}, branch="side")
        s.mutate(ADD, {"n": "d"})
        s.post(G + "/branches", {"name": "child", "from": "side"})
        r = s.post(MERGE, {"source": "side", "delete_branch": True}).json()
        og.eq((r["outcome"], r["branch_deleted"]), ("merged", False))
        og.has(r["branch_delete_error"], "descendant branch 'child'")
        s.delete(G + "/branches/child")
        og.eq(s.post(MERGE, {"source": "side", "delete_branch": True}).json(),
              {**merged, "outcome": "already_up_to_date", "branch_deleted": True})
        og.eq(s.names(), ["a", "b", "c", "d"])
        og.eq(s.get(G + "/branches").json(), {"branches": ["main"]})
        for body, status, text in (({"source": "main"}, 400, "branch_merge requires distinct source and target branches"),
                                   ({"source": "nope"}, 404, "branch 'nope' not found")):
            r = s.post(MERGE, body)
            og.eq(r.status, status, repr(r))
            og.has(r.text, text)


@og.test("SRV-51 ENG-52 ENG-53 conflicting edits give 409 with each conflict; the target and later writes are unharmed")
def _():
    with og.cluster() as c, c.serve() as s:
        for n in "abcde":
            s.mutate(ADD, {"n": n})
        s.post(G + "/branches", {"name": "side"})
        for branch, age in (("side", 1), ("main", 2)):
            for n in "abc":
                s.mutate(AGE, {"n": n, "age": age}, branch=branch)
        s.mutate(DROP, {"n": "d"}, branch="side")
        s.mutate(AGE, {"n": "d", "age": 2})
        s.mutate(ADD, {"n": "f"}, branch="side")
        before = s.get(G + "/commits").json()
        r = s.post(MERGE, {"source": "side", "delete_branch": True})
        og.eq((r.status, r.json()["code"]), (409, "conflict"))
        og.eq(r.error(), "merge conflicts: node type 'Plant', entity id 'a' (divergent_update); node type 'Plant', entity id "
              "'b' (divergent_update); node type 'Plant', entity id 'c' (divergent_update); and 1 more")
        conflicts = r.json()["merge_conflicts"]
        og.eq([(x["entity_kind"], x["type_name"], x["entity_id"], x["kind"]) for x in conflicts],
              [("node", "Plant", n, "divergent_update") for n in "abc"] + [("node", "Plant", "d", "delete_vs_update")])
        og.eq(s.get(G + "/commits").json(), before)
        og.eq(s.get(G + "/branches").json(), {"branches": ["main", "side"]})
        # the conflict is resolved on the branch, then the merge goes through
        for n in "abc":
            s.mutate(AGE, {"n": n, "age": 2}, branch="side")
        s.mutate("query back($n: String) { insert Plant { name: $n, age: 2 } }", {"n": "d"}, branch="side")
        og.eq(s.post(MERGE, {"source": "side"}).json()["outcome"], "merged")
        og.eq(s.names(), ["a", "b", "c", "d", "e", "f"])


og.main()

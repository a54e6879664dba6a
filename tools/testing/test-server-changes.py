#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Commit changes, the change feed and baselines over HTTP (spec/engine.md 13, spec/server.md 8.21 to 8.24)."""
import base64
import hashlib
import json
import os
import shutil

import og

G = "/graphs/herbarium"
ROWS = [og.plant("fern", age=3), og.plant("moss"), og.plant("oak"), og.near("fern", "moss"), og.near("moss", "oak")]


def head(s, branch="main"):
    return s.get(G + "/commits?branch=" + og.quote(branch)).json()["commits"][0]["graph_commit_id"]


def changes(s, commit, query="", status=200):
    r = s.get(G + "/commits/%s/changes%s" % (commit, query))
    og.eq(r.status, status, repr(r))
    return r.json()


def poll(s, query="", status=200):
    r = s.get(G + "/changes" + query)
    og.eq(r.status, status, repr(r))
    return r.json()


def drain(s, query):
    """All blocks of the feed behind a position, pages joined; the last cursor."""
    blocks, params = [], query
    while True:
        r = poll(s, params)
        og.ok(("next_page_token" in r) != ("cursor" in r and "caught_up" in r), "members of %r" % list(r))
        for b in r["blocks"]:
            if blocks and blocks[-1]["cause"] == b["cause"]:
                blocks[-1]["changes"] += b["changes"]
            else:
                blocks.append(b)
        more = "&".join(x for x in query.lstrip("?").split("&") if x.split("=")[0] not in ("start", "cursor", "page_token"))
        if "next_page_token" in r:
            params = "?page_token=%s&%s" % (r["next_page_token"], more)
        elif r["caught_up"]:
            return blocks, r["cursor"]
        else:
            params = "?cursor=%s&%s" % (r["cursor"], more)


def short(change):
    return (change["op"], change["kind"], change["type"]["name"], change["id"])


def life(s):
    """Six commits: load, update, insert, delete with a cascade, equal rewrite, update."""
    s.ndjson(G + "/load/ndjson?mode=append", ROWS)
    for text in ('update Plant set { age: 4 } where name = "fern"', 'insert Plant { name: "ivy" }', 'delete Plant where name = "moss"',
                 'update Plant set { age: 4 } where name = "fern"', 'update Plant set { note: "x" } where name = "ivy"'):
        og.eq(s.mutate("query m() { %s }" % text).status, 200)


def forge(token, **fields):
    """The token with other members, its digest made right."""
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    doc = {**json.loads(raw[:-32]), **fields}
    text = json.dumps(doc, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text + hashlib.sha256(text).digest()).decode().rstrip("=")


# --- one commit ---------------------------------------------------------------------------------------------------------------


@og.test("ENG-62 a diff lists nodes before edges, images as in export, cascaded deletes, one change per entity")
def _():
    with og.cluster() as c, c.serve() as s:
        life(s)
        log = [x["graph_commit_id"] for x in s.get(G + "/commits").json()["commits"]][::-1]
        load, update, insert, delete, rewrite = log[1:6]
        doc = changes(s, load)
        og.eq([short(x)[:3] for x in doc["changes"]], [("insert", "node", "Plant")] * 3 + [("insert", "edge", "GrowsNear")] * 2)
        og.eq([x["id"] for x in doc["changes"]][:3], ["fern", "moss", "oak"])
        og.eq(doc["cause"], {"graph_commit_id": load, "parent_commit_id": log[0], "authored_branch": "main",
                             "authored_at": s.get(G + "/commits/" + load).json()["created_at"]})
        fern, edge = doc["changes"][0], doc["changes"][3]
        og.eq(fern["after"], {"properties": {"age": 3, "name": "fern", "note": None}})
        og.ok("before" not in fern, "an insert has no image before")
        og.eq(edge["after"]["properties"], {"since": None})
        og.ok(edge["after"]["endpoints"] in ({"from": "fern", "to": "moss"}, {"from": "moss", "to": "oak"}), repr(edge))
        og.eq(len(fern["type"]["id"]), 43)
        doc = changes(s, update)
        og.eq([short(x) for x in doc["changes"]], [("update", "node", "Plant", "fern")])
        og.eq([doc["changes"][0][k]["properties"]["age"] for k in ("before", "after")], [3, 4])
        doc = changes(s, delete)
        og.eq([short(x)[:3] for x in doc["changes"]], [("delete", "node", "Plant")] + [("delete", "edge", "GrowsNear")] * 2)
        og.ok(all("after" not in x for x in doc["changes"]), "a delete has no image after")
        og.eq(changes(s, rewrite)["changes"], [], "equal values are no change")
        og.eq(changes(s, delete, "?kind=edge&op=delete&type=GrowsNear")["changes"], doc["changes"][1:])
        og.eq(changes(s, delete, "?op=insert")["changes"], [])
        og.eq(changes(s, delete, "?type=Nothing")["changes"], [])
        og.eq(changes(s, insert)["cause"]["parent_commit_id"], update)


@og.test("ENG-62 overwrites and segments are told row by row, and merges by what they changed on their target")
def _():
    with og.cluster() as c, c.serve() as s:
        many = [og.plant("p%05d" % i, note="n" * 500) for i in range(3000)]  # more than travels inline
        s.ndjson(G + "/load/ndjson?mode=append", many)
        og.eq(s.ndjson(G + "/load/ndjson?mode=overwrite", [og.plant("p00000", note="n" * 500), og.plant("p00001"), og.plant("new")]).status, 200)
        first = [x["graph_commit_id"] for x in s.get(G + "/commits").json()["commits"]][1]
        got, token = [], ""
        while True:
            page = changes(s, first, "?limit=1000" + token)
            got += page["changes"]
            if "next_page_token" not in page:
                break
            token = "&page_token=" + page["next_page_token"]
        og.eq([x["id"] for x in got], ["p%05d" % i for i in range(3000)])
        doc = changes(s, head(s), "?limit=8192")
        og.eq([short(x)[::3] for x in doc["changes"]][:3], [("insert", "new"), ("update", "p00001"), ("delete", "p00002")])
        og.eq(len(doc["changes"]), 3000)
        s.post(G + "/branches", {"name": "draft"})
        s.mutate('query m() { insert Plant { name: "ivy" } }', branch="draft")
        s.mutate('query m() { insert Plant { name: "yew" } }', branch="draft")
        og.eq(changes(s, head(s, "draft"))["cause"]["authored_branch"], "draft")
        tip = head(s, "draft")
        s.post(G + "/branches/merge", {"source": "draft"})
        doc = changes(s, head(s))
        og.eq([x["id"] for x in doc["changes"]], ["ivy", "yew"])
        og.eq(doc["cause"]["merged_parent_commit_id"], tip)


@og.test("ENG-63 SCH-57 genesis has no parent to compare with; a shape that changed under rows cannot be told, under any filter")
def _():
    with og.cluster() as c:
        c.load(ROWS[:3])
        new = og.SCHEMA.replace("    note: String?\n", "    note: String?\n    tall: Bool?\n")
        og.write(c.file("herbarium.pg"), new)
        og.run("cluster", "apply", "--config", c.path)
        added = og.run("commit", "list", c.root()).out.split()[0]
        renamed = og.SCHEMA.replace("node Plant {", "node Herb @rename_from(\"Plant\") {").replace("Plant -> Plant", "Herb -> Herb").replace(
            "    note: String?\n", "    note: String?\n    tall: Bool?\n")
        og.write(c.file("herbarium.pg"), renamed)
        og.write(c.file("herbarium.gq"), og.QUERIES.replace("Plant", "Herb"))
        og.run("cluster", "apply", "--config", c.path)
        with c.serve() as s:
            log = [x["graph_commit_id"] for x in s.get(G + "/commits").json()["commits"]][::-1]
            r = changes(s, log[0], status=409)
            og.eq(r["change_diff_refusal"], {"reason": "parentless_commit", "graph_commit_id": log[0]})
            og.eq(r["error"], "commit '%s' has no first parent; bootstrap from an exact baseline" % log[0])
            for query in ("", "?type=Bed", "?kind=edge"):
                r = changes(s, added, query, status=409)
                og.eq(r["change_diff_refusal"], {"reason": "schema_boundary", "graph_commit_id": added, "type_name": "Plant"})
                og.eq(r["code"], "conflict")
            og.eq(changes(s, log[-1])["changes"], [], "a rename is an ordinary, empty block")
            # names are those of the commit, ids stay
            was = changes(s, log[1])["changes"][0]["type"]
            s.mutate('query m() { insert Herb { name: "ivy" } }')
            now = changes(s, head(s))["changes"][0]["type"]
            og.eq((was["name"], now["name"]), ("Plant", "Herb"))
            og.eq(was["id"], now["id"])
            # the feed ends before it, then says why
            r = poll(s, "?start=beginning")
            og.eq((len(r["blocks"]), r["caught_up"]), (1, False))
            r = poll(s, "?cursor=" + r["cursor"], status=409)
            og.eq(r["change_diff_refusal"]["reason"], "schema_boundary")
            og.eq(len(drain(s, "?start=after:" + added)[0]), 2)
            og.eq(s.get(G + "/commits/01NOPE/changes").status, 404)


@og.test("ENG-77 parameters and limits of change pages")
def _():
    with og.cluster() as c, c.serve() as s:
        life(s)
        h = head(s)
        for path in ("/commits/%s/changes" % h, "/changes"):
            for query, status, text in (("?limit=0", 400, "change page limit must be greater than zero"),
                                        ("?limit=x", 400, "limit must be a non-negative integer"),
                                        ("?kind=cat", 400, "unknown kind 'cat' (expected node | edge)"),
                                        ("?op=drop", 400, "unknown op 'drop' (expected insert | update | delete)"),
                                        ("?limt=1", 400, "unknown query parameter 'limt'"),
                                        ("?limit=1&limit=2", 400, "query parameter 'limit' may appear at most once")):
                r = s.get(G + path + query)
                og.eq((r.status, r.error()), (status, text), path + query)
            og.eq(s.get(G + path + "?limit=8192").status, 200)
            r = s.get(G + path + "?limit=8193")
            og.eq(r.status, 413)
            og.eq(r.json()["resource_limit"], {"resource": "commit_changes_page_changes", "limit": 8192, "actual": 8193})
        og.eq(poll(s, "?start=sometimes", 400)["error"], "start must be now | beginning | after:<commit_id>")
        og.eq(poll(s, "?start=now&cursor=x", 400)["error"], "cursor, start, and page_token are mutually exclusive")
        og.eq(poll(s, "?branch=none", 404)["error"], "branch 'none' not found")
        og.eq(poll(s, "?branch=%20", 400)["error"], "branch name cannot be empty")
        r = poll(s, "?cursor=" + "a" * 4097, 413)
        og.eq(r["resource_limit"], {"resource": "change_continuation_token_encoded_bytes", "limit": 4096, "actual": 4097})


@og.test("SCH-57 adding, renaming and dropping a property of a type with rows is a boundary, with none it is not")
def _():
    with og.cluster() as c:
        c.load(ROWS)

        def apply(schema):
            og.write(c.file("next.pg"), schema)
            root = c.file("direct.omni")
            if not os.path.exists(root):
                shutil.copytree(c.root(), root)
            og.run("schema", "apply", "--schema", c.file("next.pg"), root)
            head = og.run("commit", "list", root).out.split()[0]
            return og.cli("commit", "changes", head, "--uri", root)
        bed = "    label: String\n"
        schema = og.SCHEMA
        for was, now, type_name in ((bed, bed + "    row: I32?\n", None), ("    row: I32?\n", "    line: I32? @rename_from(\"row\")\n", None),
                                    ("    age: I32?\n", "    years: I32? @rename_from(\"age\")\n", "Plant"),
                                    ("    years: I32? @rename_from(\"age\")\n", "", "Plant"), ("{ since: Date? }", "", "GrowsNear")):
            schema = schema.replace(was, now)
            r = apply(schema)
            if type_name:
                og.eq(r.code, 1)
                og.has(r.err, "cross an unprovable schema boundary at type '%s'" % type_name)
            else:
                og.eq((r.code, r.out.count("\n")), (0, 4), repr(r))


# --- the feed -----------------------------------------------------------------------------------------------------------------


@og.test("ENG-64 ENG-67 concatenated pages equal one large page, whatever their size; a resumed block repeats its cause")
def _():
    with og.cluster() as c, c.serve() as s:
        life(s)
        s.post(G + "/branches", {"name": "draft"})
        s.mutate('query m() { insert Plant { name: "yew" } }', branch="draft")
        for branch in ("main", "draft"):
            whole = drain(s, "?start=beginning&limit=8192&branch=" + branch)[0]
            og.eq(len(whole), 6 + (branch == "draft"))
            og.eq([b["cause"]["graph_commit_id"] for b in whole],
                  [x["graph_commit_id"] for x in s.get(G + "/commits?branch=" + branch).json()["commits"]][-2::-1])
            for limit in (1, 2, 7):
                og.eq(drain(s, "?start=beginning&limit=%d&branch=%s" % (limit, branch))[0], whole, "limit %d" % limit)
            for b in whole:
                own = changes(s, b["cause"]["graph_commit_id"], "?limit=8192")
                og.eq(own, b, "a block is what the commit's own page says")
        r = poll(s, "?start=beginning&limit=2")
        og.eq((len(r["blocks"]), len(r["blocks"][0]["changes"])), (1, 2))
        again = poll(s, "?limit=2&page_token=" + r["next_page_token"])
        og.eq(again["blocks"][0]["cause"], r["blocks"][0]["cause"])
        og.eq(poll(s, "?limit=2&page_token=" + r["next_page_token"]), again, "asking again gives the same")
        # commits made meanwhile are behind the cut of the page token
        s.mutate('query m() { insert Plant { name: "late" } }')
        token, seen = r["next_page_token"], []
        while token:
            r = poll(s, "?limit=2&page_token=" + token)
            seen += [x["id"] for b in r["blocks"] for x in b["changes"]]
            token = r.get("next_page_token")
        while not r["caught_up"]:
            r = poll(s, "?cursor=" + r["cursor"])
            seen += [x["id"] for b in r["blocks"] for x in b["changes"]]
        og.eq(seen.count("late"), 1)


@og.test("ENG-66 now gives an empty page and a cursor that later yields exactly the commits behind it")
def _():
    with og.cluster() as c, c.serve() as s:
        life(s)
        r = poll(s)
        og.eq((r["blocks"], r["caught_up"]), ([], True))
        og.eq(poll(s, "?start=now"), r)
        og.eq(poll(s, "?cursor=" + r["cursor"]), r, "nothing happened")
        s.mutate('query m() { insert Plant { name: "a" } }')
        s.mutate('query m() { delete Plant where name = "nothing" }')  # no commit
        s.mutate('query m() { insert Plant { name: "b" } }')
        then = poll(s, "?cursor=" + r["cursor"])
        og.eq([x["id"] for b in then["blocks"] for x in b["changes"]], ["a", "b"])
        og.eq(then["caught_up"], True)
        og.eq(poll(s, "?cursor=" + r["cursor"]), then, "at least once: the same again")
        og.eq(poll(s, "?cursor=" + then["cursor"])["blocks"], [])
        # a poll looks at 128 commits
        cursor = then["cursor"]
        for i in range(130):
            s.mutate('query m($n: String) { insert Plant { name: $n } }', {"n": "n%d" % i})
        r = poll(s, "?cursor=" + cursor)
        og.eq((len(r["blocks"]), r["caught_up"]), (128, False))
        r = poll(s, "?cursor=" + r["cursor"])
        og.eq((len(r["blocks"]), r["caught_up"]), (2, True))


@og.test("ENG-68 every rejection of a token says why; ENG-47 a recreated branch knows no old cursor")
def _():
    def rejected(query, reason, where="/changes"):
        r = s.get(G + where + query)
        og.eq((r.status, r.json().get("code")), (400, "bad_request"), repr(r))
        og.eq(r.error(), "change cursor rejected: " + reason)

    with og.cluster(["herbarium", "other"]) as c:
        with c.serve() as s:
            life(s)
            s.post(G + "/branches", {"name": "draft"})
            cursor = poll(s, "?branch=draft")["cursor"]
            page = poll(s, "?start=beginning&limit=1")["next_page_token"]
            first = [x["graph_commit_id"] for x in s.get(G + "/commits").json()["commits"]][-2]
            commit_page = changes(s, first, "?limit=1")["next_page_token"]
            where = "/commits/%s/changes" % first
            rejected("?cursor=***", "invalid feed cursor encoding")
            rejected("?cursor=" + cursor[:-4], "invalid feed cursor checksum")
            broken = ("A" if cursor[0] != "A" else "B") + cursor[1:]
            rejected("?cursor=" + broken, "invalid feed cursor checksum")
            rejected("?cursor=" + forge(cursor, commit=7), "invalid feed cursor payload")
            rejected("?page_token=" + forge(page, op=9), "invalid feed page token payload")
            rejected("?cursor=" + forge(cursor, version=2), "unsupported feed cursor version")
            rejected("?cursor=" + page, "a feed page token cannot be used as a feed cursor")
            rejected("?page_token=" + cursor, "a feed cursor cannot be used as a feed page token")
            rejected("?page_token=" + cursor, "a feed cursor cannot be used as a commit page token", where)
            rejected("?cursor=" + commit_page, "a commit page token cannot be used as a feed cursor")
            rejected("?page_token=" + commit_page, "the commit page token does not match this graph and commit",
                     "/commits/%s/changes" % head(s))
            rejected("?kind=node&page_token=" + commit_page, "the commit page token was minted for a different filter scope", where)
            og.eq(s.get(G + where + "?kind=edge&kind=node&op=delete&op=insert&op=update&page_token=" + commit_page).status, 200)
            rejected("?cursor=" + cursor, "change feed continuation was minted for a different branch")
            rejected("?branch=draft&kind=node&cursor=" + cursor, "change feed continuation was minted for a different filter scope")
            rejected("?branch=draft&cursor=" + forge(cursor, commit="01" + "A" * 24),
                     "change feed cursor names a commit outside this branch's first-parent chain")
            rejected("?page_token=" + forge(page, cut="01" + "A" * 24),
                     "change feed cursor names a commit outside this branch's first-parent chain")
            rejected("?start=after:01NOPE", "start commit is not on this branch's first-parent chain")
            s.mutate('query m() { insert Plant { name: "yew" } }', branch="draft")
            rejected("?start=after:" + head(s, "draft"), "start commit is not on this branch's first-parent chain")
            whole = poll(s, "?start=beginning")
            og.eq(whole["caught_up"], True)
            doc = json.loads(base64.urlsafe_b64decode(page + "==")[:-32])
            rejected("?page_token=" + forge(page, commit=doc["cut"], commit_version=doc["cut_version"]),
                     "change feed page token no longer names the next commit of its cut")
            rejected("?page_token=" + forge(page, id="nothing"),
                     "change feed page token no longer names the next commit of its cut")
            r = s.get("/graphs/other/changes?cursor=" + whole["cursor"])
            og.eq((r.status, r.error()), (400, "change cursor rejected: change feed continuation does not belong to this graph"))
            s.delete(G + "/branches/draft")
            s.post(G + "/branches", {"name": "draft"})
            rejected("?branch=draft&cursor=" + cursor, "change feed continuation was minted for a different branch incarnation")
            long_id = "x" * 100000
            s.ndjson(G + "/load/ndjson?mode=append", [og.plant(long_id + str(i)) for i in range(3)])
            token, seen = "", []
            while True:
                r = changes(s, head(s), "?limit=1" + token)
                seen += [x["id"][-1] for x in r["changes"]]
                if "next_page_token" not in r:
                    break
                og.ok(len(r["next_page_token"]) <= 4096, "length of a token")
                token = "&page_token=" + r["next_page_token"]
            og.eq(seen, ["0", "1", "2"])
        shutil.rmtree(c.root())
        og.run("init", "--schema", c.file("herbarium.pg"), os.path.join(c.path, "fresh.omni"))
        os.rename(os.path.join(c.path, "fresh.omni"), c.root())
        with c.serve() as s:
            rejected("?cursor=" + whole["cursor"], "change feed continuation was minted for a different graph history")


@og.test("ENG-69 behind a cleanup a feed positioned before what is kept is a gap, with the poll's cursor")
def _():
    with og.cluster() as c:
        with c.serve() as s:
            s.ndjson(G + "/load/ndjson?mode=append", ROWS)
            early = poll(s)["cursor"]
            for i in range(6):
                s.mutate('query m($n: String) { insert Plant { name: $n } }', {"n": "n%d" % i})
            log = [x["graph_commit_id"] for x in s.get(G + "/commits").json()["commits"]]
        og.run("cleanup", "--keep", "2", "--confirm", c.root())
        with c.serve() as s:
            og.eq([x["graph_commit_id"] for x in s.get(G + "/commits").json()["commits"]], log, "the list stays")
            r = poll(s, "?cursor=" + early, 410)
            og.eq(r["change_feed_gap"], {"cursor": early, "first_unreadable_commit_id": log[5]})
            og.ok("code" not in r, repr(r))
            og.eq(r["error"], "change feed gap at commit '%s'" % log[5])
            r = poll(s, "?start=beginning", 410)
            og.eq(r["change_feed_gap"], {"first_unreadable_commit_id": log[6]})
            r = changes(s, log[3], status=410)
            og.eq(r["change_feed_gap"], {"first_unreadable_commit_id": log[3]})
            og.eq(s.query("query q() { match { $p: Plant } return { $p.name } }", snapshot=log[4]).status, 500)
            og.eq(len(drain(s, "?start=after:" + log[1])[0]), 1, "what is kept is told")
            og.eq(changes(s, log[0])["changes"][0]["id"], "n5")
            og.eq(poll(s)["caught_up"], True)


# --- baselines ----------------------------------------------------------------------------------------------------------------


@og.test("ENG-70 a baseline's cursor goes on with no gap and no overlap, under its filter")
def _():
    with og.cluster() as c, c.serve() as s:
        life(s)
        r = s.post(G + "/changes/baseline", {"kind": ["node"], "type": ["Plant"], "op": ["insert"]})
        og.eq((r.status, r.headers["Content-Type"]), (200, "application/x-ndjson; charset=utf-8"))
        *rows, last = r.text.splitlines()
        og.eq("".join(x + "\n" for x in rows), s.post(G + "/export", {"type_names": ["Plant"]}).text)
        og.eq(json.loads(last)["baseline"]["snapshot_commit_id"], head(s))
        cursor = json.loads(last)["baseline"]["resume_cursor"]
        same = "?kind=node&type=Plant&op=insert&cursor=" + cursor
        og.eq(poll(s, same)["blocks"], [])
        s.mutate('query m() { insert Plant { name: "a" } }')
        s.mutate('query m() { delete Plant where name = "a" }')
        blocks = poll(s, same)["blocks"]
        og.eq([[x["id"] for x in b["changes"]] for b in blocks], [["a"], []])
        og.eq(poll(s, "?cursor=" + cursor, 400)["error"],
              "change cursor rejected: change feed continuation was minted for a different filter scope")
        r = s.post(G + "/changes/baseline", {"type": ["Nope"]})
        og.eq((r.status, r.error()), (400, "unknown export type 'Nope'"))
        og.eq(s.post(G + "/changes/baseline", {"branch": "none"}).status, 404)
        og.eq(s.post(G + "/changes/baseline", {"kind": ["cat"]}).error(), "unknown kind 'cat' (expected node | edge)")
        *rows, last = s.post(G + "/changes/baseline", {}).text.splitlines()
        og.eq("".join(x + "\n" for x in rows), s.post(G + "/export", {}).text)


og.main()

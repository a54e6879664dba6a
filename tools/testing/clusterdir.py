# SPDX-License-Identifier: MIT
"""A configuration directory and its `omnigraph cluster` commands, for tests of the control plane."""
import contextlib
import hashlib
import json
import os

import og

BOOKS_PG = "node Book {\n  title: String @key\n}\n"
BOOKS_GQ = "query by_title($t: String) {\n  match { $b: Book { title: $t } }\n  return { $b.title }\n}\n"
POLICY = "version: 1\nrules: []\n"
LIBRARY = """version: 1
metadata: { name: library }
providers: { embedding: { local: { kind: mock, model: shelf-v1 } } }
graphs:
  books:
    schema: books.pg
    embedding_provider: local
    queries: { by_title: { file: books.gq } }
policies:
  readers: { file: readers.policy.yaml, applies_to: [books] }
"""
TWO = """version: 1
graphs:
  books:
    schema: books.pg
    queries: { by_title: { file: books.gq } }
  films:
    schema: books.pg
"""


class Dir:
    """A configuration directory and its commands, always with --json."""

    def __init__(self, path, config):
        self.path = path
        self.write("cluster.yaml", config)
        self.write("books.pg", BOOKS_PG)
        self.write("books.gq", BOOKS_GQ)
        self.write("readers.policy.yaml", POLICY)

    def write(self, name, text):
        return og.write(os.path.join(self.path, name), text)

    def file(self, *names):
        return os.path.join(self.path, *names)

    def command(self, step, *args, code=None, **kw):
        r = og.cli("cluster", step, "--config", self.path, "--json", *args, **kw)
        doc = r.json()
        og.eq(r.code == 0, doc["ok"], "exit status follows ok: %r" % r)
        if code is not None:
            og.eq(r.code, code, repr(r))
        return doc

    def ok(self, step, *args, **kw):
        return self.command(step, *args, code=0, **kw)

    def fails(self, step, *args, **kw):
        return self.command(step, *args, code=1, **kw)

    def converge(self):
        self.ok("import")
        return self.ok("apply")

    def ledger(self):
        return json.loads(og.read(self.file("__cluster", "state.json")))

    def bytes(self):
        """Every file and its content."""
        out = {}
        for base, _, names in os.walk(self.path):
            for n in names:
                with open(os.path.join(base, n), "rb") as f:
                    out[os.path.relpath(os.path.join(base, n), self.path)] = hashlib.sha256(f.read()).hexdigest()
        return out


@contextlib.contextmanager
def cluster(config=LIBRARY, converged=False):
    with og.tempdir() as d:
        c = Dir(os.path.join(d, "c"), config)
        if converged:
            c.converge()
        yield c


def codes(doc, severity=None):
    return [d["code"] for d in doc["diagnostics"] if severity in (None, d["severity"])]


def changes(doc):
    return {c["resource"]: (c["operation"], c.get("disposition"), c.get("reason")) for c in doc["changes"]}

# SPDX-License-Identifier: MIT
"""What a build has, for tests that need more than every configuration gives."""
import os

import og


def features():
    """{"fts": True, ...} from `omnigraph version`; "server" says whether omnigraph-server was built."""
    words = og.run("version").out.splitlines()[2].split()[1:]
    return {**{w[1:]: w[0] == "+" for w in words}, "server": os.path.exists(og.SERVER)}


def test(name, *needs):
    """og.test() for builds with the features @needs; a skip line for the others."""
    have = features()
    missing = [n for n in needs if not have.get(n)]
    if not missing:
        return og.test(name)
    print("skip: %s (this build has no %s)" % (name, ", ".join(missing)))
    return lambda fn: fn

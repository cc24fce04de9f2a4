#!/usr/bin/env bash
# A command-line tool escapes a text for XML with `xml.sax.saxutils.escape`, and its start is slow.
#
# Expected: a module of a few functions for texts, which loads next to nothing.
# What happens: `xml.sax.saxutils` also has a function that opens a document by its URL, and imports `urllib.request` for
# it, which imports `http.client`, `ssl`, `email`, `socket`, `tempfile` and some forty modules more: OpenSSL is loaded to
# replace `<` by `&lt;`.  `html.escape` and `str.translate` do the same work at once.
#
# Seen with CPython 3.11.7, 3.12.1 and 3.13.0; the numbers are those of the first:
#   html.escape: 2 modules
#   xml.sax.saxutils.escape: 45 modules, among them email, http.client, socket, ssl, urllib.request
set -euo pipefail

python3 -I - <<'PYTHON'
import subprocess
import sys

HEAVY = {"email", "http.client", "socket", "ssl", "urllib.request"}
COUNT = "import sys; before = set(sys.modules); from {} import escape; print(*sorted(set(sys.modules) - before))"


def loaded(module):
    done = subprocess.run([sys.executable, "-I", "-c", COUNT.format(module)], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


for module in ("html", "xml.sax.saxutils"):
    names = loaded(module)
    heavy = sorted(HEAVY & names)
    print(f"{module}.escape: {len(names)} modules{', among them ' + ', '.join(heavy) if heavy else ''}")
sys.exit(loaded("html") & HEAVY != set() or not HEAVY <= loaded("xml.sax.saxutils"))
PYTHON

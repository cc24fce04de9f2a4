#!/usr/bin/env bash
# A program that must start quickly checks values with pydantic_core alone: its import takes a quarter of the time of
# pydantic's.
#
# Expected: what validates without pydantic also says without it what is wrong.
# What happens: `str(error)` and `error.errors()` of a ValidationError import pydantic, to write its version into a link
# to its documentation.  So exactly the wrong value makes the program slow, and a program that asserts that pydantic is
# not loaded finds it loaded after an error.  `error.errors(include_url=False)` does without.
#
# Seen with pydantic 2.14.4, pydantic_core 2.50.5 and CPython 3.11.7:
#   pass: loads nothing
#   error.errors(include_url=False): loads nothing
#   error.errors(): loads pydantic
#   str(error): loads pydantic
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pydantic==2.14.4

"$folder/venv/bin/python" - <<'PYTHON'
import subprocess
import sys

CODE = """
import sys
from pydantic_core import SchemaValidator, ValidationError, core_schema
try:
    SchemaValidator(core_schema.int_schema()).validate_python("x")
except ValidationError as error:
    {}
print("pydantic" in sys.modules)
"""
seen = []
for telling in ("pass", "error.errors(include_url=False)", "error.errors()", "str(error)"):
    done = subprocess.run([sys.executable, "-c", CODE.format(telling)], capture_output=True, text=True, check=True)
    seen.append(done.stdout.strip() == "True")
    print(f"{telling}: {'loads pydantic' if seen[-1] else 'loads nothing'}")
sys.exit(seen != [False, False, True, True])
PYTHON

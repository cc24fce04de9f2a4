"""Fail if an environment holds a package with a known advisory: `.ci/audit.py PYTHON...`.

It needs an environment of its own: `python3 -m venv /tmp/audit && /tmp/audit/bin/pip install pip-audit packaging`, and
then `/tmp/audit/bin/python .ci/audit.py .venv/bin/python`.

pip-audit asks the database of PyPI where it can be reached.  The list beside this file is read in any case.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

PATIENCE_S = 120

OWN = "imgsrv"

INSTALLED = """
import json
from importlib.metadata import distributions
print(json.dumps({each.name: each.version for each in distributions()}))
"""


def installed(python: str) -> dict[str, str]:
    """The packages of that Python's environment, without those that only brought it to life, and their versions."""
    found: dict[str, str] = json.loads(
        subprocess.run([python, "-c", INSTALLED], capture_output=True, check=True).stdout
    )
    return {
        canonicalize_name(name): version for name, version in found.items() if name not in (OWN, "pip", "setuptools")
    }


def listed(packages: dict[str, str]) -> list[str]:
    """A sentence for each package below the version that mends its newest advisory of the list."""
    known = tomllib.loads(Path(__file__).with_name("advisories.toml").read_text(encoding="utf-8"))
    return [
        f"{name} {version}: {known[name]['id']}, mended in {known[name]['fixed']}"
        for name, version in packages.items()
        if name in known and Version(version) < Version(known[name]["fixed"])
    ]


def asked(packages: dict[str, str]) -> list[str] | None:
    """A sentence for each advisory that the database of PyPI has; None where it cannot be asked."""
    wanted = "".join(f"{name}=={version}\n" for name, version in packages.items())
    command = [sys.executable, "-m", "pip_audit", "--format=json", "--no-deps", "--disable-pip", "-r", "/dev/stdin"]
    try:
        done = subprocess.run(command, input=wanted, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        rows = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return None
    if all("skip_reason" in row for row in rows):
        return None
    return [
        f"{row['name']} {row['version']}: {each['id']}, mended in {', '.join(each['fix_versions']) or 'no version'}"
        for row in rows
        for each in row.get("vulns", [])
    ]


def main() -> int:
    """Audit each environment."""
    found: list[str] = []
    for python in sys.argv[1:]:
        packages = installed(python)
        answers = asked(packages)
        source = (
            "PyPI's database and the list" if answers is not None else "the list; no database can be asked from here"
        )
        print(f"{python}: {len(packages)} packages, by {source}")
        found += [*listed(packages), *(answers or [])]
    print(*sorted(set(found)), sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""`.ci/audit.py` names what has a known hole, and the ranges that pyproject.toml claims have none."""

from __future__ import annotations

import runpy
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]

AUDIT = runpy.run_path(str(ROOT / ".ci/audit.py"))


def test_a_version_with_a_known_hole_is_named() -> None:
    assert AUDIT["listed"]({"pillow": "12.2.0", "falcon": "4.2.0"}) == [
        "pillow 12.2.0: CVE-2026-59200, mended in 12.3.0"
    ]


def test_no_range_reaches_below_the_version_that_mends_a_known_hole() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    claimed = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *(one for extra in extras for one in extra),
    ]
    known = tomllib.loads((ROOT / ".ci/advisories.toml").read_text())
    checked = set()
    for requirement in map(Requirement, claimed):
        name = canonicalize_name(requirement.name)
        if name in known:
            floor = next(each.version for each in requirement.specifier if each.operator == ">=")
            assert AUDIT["listed"]({name: floor}) == []
            checked.add(name)
    assert {"pillow", "pillow-heif", "python-multipart", "setuptools"} <= checked

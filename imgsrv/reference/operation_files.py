"""The files of operations, found without loading them."""

from __future__ import annotations

from pathlib import Path

OPERATIONS = Path(__file__).parents[1] / "imaging" / "operations"
"""The folder whose folders hold them."""


def operation_files() -> list[str]:
    """All of them, each as `folder/name`."""
    return sorted(f"{file.parent.name}/{file.stem}" for file in OPERATIONS.glob("*/*.py"))

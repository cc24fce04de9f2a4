"""Inputs that fuzzing has found, by the name of their reader: each broke its reader once, and harms nothing else."""

from __future__ import annotations

FOUND: dict[str, tuple[bytes, ...]] = {}

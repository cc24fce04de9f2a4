"""What logs and crash reports say of a job.  They read it from the plan, which may be broken."""

from __future__ import annotations

import json
import os
from typing import Any

from imgsrv.errors import UnsupportedFormat
from imgsrv.imaging.codecs.sniff import SNIFF_BYTES, sniff

STAGES = ("decode", "operations", "encode")


def plan_facts(plan: bytes, message: bytes = b"") -> dict[str, Any]:
    """The facts of a job for a log: its request, its pipeline, its output and, from the engine's message, the times.

    Gives the text of a plan that cannot be read.
    """
    try:
        wire = json.loads(plan)
        answer = json.loads(message).get("answer", {}) if message else {}
        facts = {
            "request_id": wire["request_id"],
            "pipeline": _pipeline_text(wire),
            "output": json.loads(wire["output"]) if "output" in wire else {},
            "input_bytes": wire["input"][1],
        }
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {"plan": plan.decode(errors="replace")}
    times = {f"{stage}_ms": answer[f"{stage}_s"] for stage in STAGES if f"{stage}_s" in answer}
    return {**facts, **{name: round(seconds * 1000, 1) for name, seconds in times.items()}}


def input_place(body: int, plan: bytes) -> tuple[str, int, int]:
    """The format of a plan's picture by its first bytes, and its start and size in the body.

    Raises ValueError, LookupError, TypeError, OverflowError, RecursionError or OSError for a plan that cannot be read.
    """
    start, size, _parts = json.loads(plan)["input"]
    start, size = int(start), int(size)
    try:
        found = sniff(os.pread(body, min(size, SNIFF_BYTES), start))
    except UnsupportedFormat as error:
        found = error.found
    return found, start, size


def _pipeline_text(wire: dict[str, Any]) -> str:
    """The text of the pipeline; for a batch all of them, for a description `info`."""
    if wire["kind"] == "batch":
        return " + ".join(text for _name, text, _output in wire["variants"])
    return "info" if wire["kind"] == "describe" else str(wire["pipeline"])

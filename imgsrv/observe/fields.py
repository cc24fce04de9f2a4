"""The fields of a row of the scoreboard, and the names from which they are made."""

from __future__ import annotations

from imgsrv.errors import CODES
from imgsrv.observe.answers import ANSWER_FIELDS, PICTURE_FIELDS

BUCKETS_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the latency histogram in seconds; one more bucket has no upper bound."""

RATIOS = (0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0, 8.0)
"""Upper bounds of the histogram of true to predicted time; a last bucket has none."""

CLASSES = ("cheap", "dear")
"""Of jobs; dear ones have a queue of their own."""

STAGES = ("receive", "queue", "decode", "operations", "encode")
"""Stages of a request, with the names of the `Server-Timing` header."""

SOURCES = ("file", "http", "bucket", "upload")
"""Kinds of places that pictures come from."""

SOURCE_COUNTS = ("asked", "failed", "us", "bytes")
"""What is counted of each kind: questions, those without a picture, microseconds, and bytes read."""

WORK = ("decode", "operations", "encode")
"""The stages in which an engine works."""

JPEG_WAYS = ("native", "turbojpeg", "rgb")
"""How a JPEG was decoded: by imgsrv's own decoder, by TurboJPEG to planes too, or by Pillow to RGB."""

JPEG_REFUSALS = (
    *("not_jpeg", "short", "trailing", "marker", "kind", "size", "sampling", "colours", "table", "scan", "code"),
    *("index", "restart", "scans", "range", "incomplete", "scale", "planes", "fault", "not_done", "header", "unknown"),
)
"""Why imgsrv's own decoder refused a JPEG, by the names of native/imgsrv_jpeg.h.

Two are not from there: `header` stands for a header that Pillow read otherwise, `unknown` for a reason of no name.
"""

LARGEST_JOBS = tuple(f"memory_job_{index}" for index in range(4))
"""Estimated bytes of the largest jobs of a front, in descending order."""

MEMORY = (
    *("unsent_bytes", "memory_base", "memory_bodies", "memory_answers", "memory_results", "memory_jobs"),
    *LARGEST_JOBS,
)
"""What a worker holds and will need, in bytes."""

CACHE_COUNTS = (
    *("hits", "misses", "waits", "not_modified", "stored", "evicted", "refusals", "faults"),
    *("hit_bytes", "stored_bytes", "evicted_bytes"),
)
"""What is counted of the result cache.

waits: requests that waited for an equal one.  not_modified: answers 304.  refusals: results that were not stored.
faults: failures of the store, and entries that were damaged.
"""

IN_LINE = tuple(f"{name}_in_line" for name in CLASSES)
"""Jobs that wait in the line of a front, by class."""

WORKER_FIELDS = (
    "pid",
    "state",
    "connections",
    "sending",
    "answers_cut",
    *MEMORY,
    "requests",
    "bytes_in",
    "bytes_out",
    "jobs_submitted",
    "jobs_begun",
    "jobs_done",
    "jobs_skipped",
    "job_began_us",
    "job_deadline_us",
    "job_busy_us",
    "job_cost_us",
    "job_is_dear",
    *(f"{name}_queued_us" for name in CLASSES),
    *(f"{name}_taken_us" for name in CLASSES),
    *IN_LINE,
    "request_us",
    "slowest_us",
    "front_beats",
    "engine_beats",
    "log_records_lost",
    "spans_lost",
    "codec_deaths",
    *(f"cache_{name}" for name in CACHE_COUNTS),
    *(f"source_{kind}_{name}" for kind in SOURCES for name in SOURCE_COUNTS),
    "upload_store_failures",
    "limit_store_failures",
    "limits_evicted",
    *(f"bucket_{index}" for index in range(len(BUCKETS_S) + 1)),
    *(f"wait_bucket_{index}" for index in range(len(BUCKETS_S) + 1)),
    *(f"stage_{name}_us" for name in STAGES),
    *(f"{name}_ratio_bucket_{index}" for name in CLASSES for index in range(len(RATIOS) + 1)),
    *(f"{name}_ratio_thousandths" for name in CLASSES),
    *(f"{name}_predicted_us" for name in CLASSES),
    *(f"{name}_worked_us" for name in CLASSES),
    *(f"error_{code}" for code in CODES),
    *(f"jpeg_{way}" for way in JPEG_WAYS),
    *(f"jpeg_refused_{reason}" for reason in JPEG_REFUSALS),
    *ANSWER_FIELDS.values(),
    *PICTURE_FIELDS.values(),
)

REPLACED_FOR = ("hang", "memory", "jobs", "signal", "kill", "garbled", "silent")
"""Reasons for which the master replaces a worker.

In this order: a job hangs, the limit of memory, the limit of jobs, a signal of another process, an operator ends its
job, the state on the board means nothing, no sign of life.
"""

MASTER_FIELDS = (
    "generation",
    "slot",
    "starts",
    "deaths",
    "is_stopping",
    "is_retired",
    "master_log_records_lost",
    "is_leaving",
    "is_silent",
    *(f"replaced_{reason}" for reason in REPLACED_FOR),
)
"""Fields that the master writes, in its own part of the row."""

GAUGES = frozenset(
    {
        "generation",
        "pid",
        "state",
        "connections",
        "sending",
        *MEMORY,
        "job_began_us",
        "job_deadline_us",
        "job_cost_us",
        "job_is_dear",
        *IN_LINE,
        "slot",
        "is_stopping",
        "is_retired",
        "is_leaving",
        "is_silent",
        "front_beats",
        "engine_beats",
    }
)
"""Fields that hold a current value; all others are counters that only grow."""

MAXIMA = frozenset({"slowest_us"})
"""Those of them of which the largest counts, and not the sum."""

FIELDS = (*WORKER_FIELDS, *MASTER_FIELDS)

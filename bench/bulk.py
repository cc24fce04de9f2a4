"""How fast is `imgsrv convert` on two Ray nodes of one core, beside the same two cores without Ray?

`python bench/bulk.py [--pictures 400] [--rounds 5] [--many 10000]` prints the pictures a second of both in turn, round
by round, the processor time of each picture, which says more on a busy machine, and their ratios.  Then it converts
many small pictures on the cluster and prints how much memory the command has at most.  It is no part of
`pytest bench/`: Ray is an extra, and wants two cores for itself.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
from datetime import datetime
from pathlib import Path
from typing import Self

import psutil
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from servers.ray_cluster import RayCluster, ray_cluster  # noqa: E402  of the tests

PIPELINE = "resize:width=800"

LEAST_RATIO = 0.9

LOOK_S = 0.1


def main() -> None:
    """Print the figures; exit with 1 if the ratio is not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=400, help="of 6 megapixels, in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--many", type=int, default=10_000, help="small pictures, for memory")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as made, ray_cluster() as cluster:
        cluster.add()
        folder = Path(made)
        large = copies(folder / "large", args.pictures, photograph())
        ratios, costs = list[float](), list[float]()
        for number in range(args.rounds + 1):
            local, local_ms = rate(large, folder / "out", "--jobs", "2")
            with Meter(cluster) as meter:
                on_ray, ray_ms = rate(large, folder / "out", "--ray", cluster.address)
            ray_ms += 1000 * meter.seconds / args.pictures
            if number:  # the first round warms both up
                ratios.append(on_ray / local)
                costs.append(local_ms / ray_ms)
                print(f"{number}: {local:.1f} pictures/s without Ray, {on_ray:.1f} with: {ratios[-1]:.3f}", end="; ")
                print(f"processor time {local_ms:.1f} and {ray_ms:.1f} ms a picture: {costs[-1]:.3f}", flush=True)
        ratio = statistics.median(ratios)
        print(f"median {ratio:.3f}, least {LEAST_RATIO}; by processor time {statistics.median(costs):.3f}", flush=True)
        few = memory(copies(folder / "few", args.many // 10, dot()), folder / "out", "--ray", cluster.address)
        many = memory(copies(folder / "many", args.many, dot()), folder / "out", "--ray", cluster.address)
        print(f"largest memory: {few:.0f} MB for {args.many // 10:,} pictures, {many:.0f} MB for {args.many:,}")
    sys.exit(ratio < LEAST_RATIO)


def photograph() -> bytes:
    """A JPEG of 6 megapixels."""
    file = io.BytesIO()
    with Image.open(ROOT / "samples" / "coffee.jpg") as picture:
        picture.resize((3000, 2000), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()


def dot() -> bytes:
    """A small PNG."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    return file.getvalue()


def copies(folder: Path, count: int, data: bytes) -> Path:
    """A folder with this picture under many names, once on the disk."""
    folder.mkdir()
    suffix = ".png" if data.startswith(b"\x89PNG") else ".jpg"
    first = folder / f"0{suffix}"
    first.write_bytes(data)
    for number in range(1, count):
        (folder / f"{number}{suffix}").hardlink_to(first)
    return folder


def command(source: Path, out: Path, *arguments: str) -> list[str]:
    """The command line of a conversion."""
    return [sys.executable, "-m", "imgsrv", "convert", str(source), f"{out}/", PIPELINE, *arguments]


class Meter:
    """The processor time of a cluster while a block runs.  It looks often: the workers end with the command."""

    def __init__(self, cluster: RayCluster) -> None:
        self._cluster, self._is_over = cluster, threading.Event()
        self._first: dict[tuple[int, float], float] = {}
        self._last: dict[tuple[int, float], float] = {}
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._look()
        self._first = dict(self._last)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        self._thread.join()

    @property
    def seconds(self) -> float:
        """Of all processes."""
        return sum(used - self._first.get(process, 0) for process, used in self._last.items())

    def _watch(self) -> None:
        while not self._is_over.wait(LOOK_S):
            self._look()

    def _look(self) -> None:
        for process in (one for node in self._cluster.nodes for one in node.processes()):
            with contextlib.suppress(psutil.NoSuchProcess):
                self._last[process.pid, process.create_time()] = sum(process.cpu_times()[:2])


def rate(source: Path, out: Path, *arguments: str) -> tuple[float, float]:
    """Pictures a second by the manifest, and milliseconds of processor time of the command and its children a picture.

    The first tenth is left out of the rate: processes start once, however many pictures follow.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    manifest = out.parent / "run.jsonl"
    manifest.unlink(missing_ok=True)
    subprocess.run([*command(source, out, *arguments), "--manifest", str(manifest)], capture_output=True, check=True)
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    ends = [datetime.fromisoformat(row["at"]) for row in rows if row["status"] == "done"]
    counted = ends[len(ends) // 10 :]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (len(counted) - 1) / (counted[-1] - counted[0]).total_seconds(), 1000 * seconds / len(ends)


def memory(source: Path, out: Path, *arguments: str) -> float:
    """The largest memory of the command itself, in MB."""
    with subprocess.Popen(command(source, out, *arguments), stderr=subprocess.PIPE) as running:
        process, largest = psutil.Process(running.pid), 0
        while running.poll() is None:
            try:
                largest = max(largest, process.memory_info().rss)
                running.wait(LOOK_S)
            except (psutil.NoSuchProcess, subprocess.TimeoutExpired):
                pass
        assert running.returncode == 0
    return largest / 1e6


if __name__ == "__main__":
    main()

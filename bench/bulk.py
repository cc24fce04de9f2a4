"""How fast is `imgsrv convert` on two Ray nodes of one core, beside the same two cores without Ray?

`python bench/bulk.py [--pictures 400] [--rounds 5] [--many 10000]` prints the pictures a second of both in turn, round
by round, and their ratio.  Without Ray these are two commands of one process each, as Linux shares busy cores between
sessions, and each node is one.  Then it converts many small pictures on the cluster and prints how much memory the
command has at most.  It is no part of `pytest bench/`: Ray is an extra, and wants two cores for itself.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import psutil
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from servers.ray_cluster import ray_cluster  # noqa: E402  of the tests

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
        halves = [copies(folder / f"half-{half}", args.pictures // 2, photograph()) for half in "ab"]
        large = copies(folder / "large", args.pictures, photograph())
        ratios = []
        for number in range(args.rounds + 1):
            local = sum(rates([(half, "--jobs", "1") for half in halves], folder))
            (on_ray,) = rates([(large, "--ray", cluster.address)], folder)
            if number:  # the first round warms both up
                ratios.append(on_ray / local)
                print(f"{number}: {local:.1f} pictures/s without Ray, {on_ray:.1f} with: {ratios[-1]:.3f}", flush=True)
        ratio = statistics.median(ratios)
        print(f"median {ratio:.3f}, least {LEAST_RATIO}", flush=True)
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


def rates(runs: Sequence[tuple[Path, str, str]], folder: Path) -> list[float]:
    """Pictures a second of commands that run at a time, by their manifests.

    The first fifth is left out: processes start once, however many pictures follow.
    """
    manifests = [folder / f"{number}.jsonl" for number in range(len(runs))]
    commands = []
    for manifest, (source, *arguments) in zip(manifests, runs, strict=True):
        manifest.unlink(missing_ok=True)
        line = [*command(source, folder / f"out-{source.name}", *arguments), "--manifest", str(manifest)]
        commands.append(subprocess.Popen(line, start_new_session=True, stderr=subprocess.DEVNULL))
    assert [each.wait() for each in commands] == [0] * len(runs)
    return [_rate(manifest) for manifest in manifests]


def _rate(manifest: Path) -> float:
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    ends = [datetime.fromisoformat(row["at"]) for row in rows if row["status"] == "done"]
    counted = ends[len(ends) // 5 :]
    return (len(counted) - 1) / (counted[-1] - counted[0]).total_seconds()


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

"""How fast is `imgsrv convert` on two Ray nodes of one core, beside the same two cores without Ray?

`python bench/bulk.py [--pictures 400] [--rounds 5] [--many 10000]` prints the pictures a second of both in turn, round
by round, and the ratio of each round.  Then it converts many small pictures on the cluster and prints how much memory
the command has at most.  It is no part of `pytest bench/`: Ray is an extra, and wants two cores for itself.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import psutil
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from servers.ray_cluster import ray_cluster  # noqa: E402  of the tests

PIPELINE = "resize:width=800"

LEAST_RATIO = 0.9

MEMORY_EVERY_S = 0.1


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
        ratios = []
        for number in range(args.rounds + 1):
            local = rate(large, folder / "out", "--jobs", "2")
            on_ray = rate(large, folder / "out", "--ray", cluster.address)
            if number:  # the first round warms both up
                ratios.append(on_ray / local)
                print(f"round {number}: {local:6.1f} pictures/s without Ray, {on_ray:6.1f} with: {ratios[-1]:.3f}")
        ratio = statistics.median(ratios)
        print(f"median {ratio:.3f}, least {LEAST_RATIO}")
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


def rate(source: Path, out: Path, *arguments: str) -> float:
    """Pictures a second by the manifest, without the first tenth: processes start once, however many follow."""
    manifest = out.parent / "run.jsonl"
    manifest.unlink(missing_ok=True)
    subprocess.run([*command(source, out, *arguments), "--manifest", str(manifest)], capture_output=True, check=True)
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    ends = [datetime.fromisoformat(row["at"]) for row in rows if row["status"] == "done"]
    counted = ends[len(ends) // 10 :]
    return (len(counted) - 1) / (counted[-1] - counted[0]).total_seconds()


def memory(source: Path, out: Path, *arguments: str) -> float:
    """The largest memory of the command itself, in MB."""
    with subprocess.Popen(command(source, out, *arguments), stderr=subprocess.PIPE) as running:
        process, largest = psutil.Process(running.pid), 0
        while running.poll() is None:
            try:
                largest = max(largest, process.memory_info().rss)
                running.wait(MEMORY_EVERY_S)
            except (psutil.NoSuchProcess, subprocess.TimeoutExpired):
                pass
        assert running.returncode == 0
    return largest / 1e6


if __name__ == "__main__":
    main()

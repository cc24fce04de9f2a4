"""How fast is `imgsrv convert` on two Ray nodes of one core, beside the same two cores without Ray?

`python bench/bulk.py [--pictures 400] [--rounds 5] [--many 10000]` prints for both, round by round, the pictures a
second, the processor time of all processes for a picture, and what other programs took of the machine meanwhile; then
the ratios.  The one by processor time depends less on other programs.  Without Ray these are two commands of one
process each, as Linux shares busy cores between sessions, and each node is one.  Then it converts many small pictures
on the cluster and prints how much memory the command has at most.  It is no part of `pytest bench/`: Ray is an extra,
and wants two cores for itself.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from servers.ray_cluster import Node, RayCluster, ray_cluster  # noqa: E402  of the tests

PIPELINE = "resize:width=800"

LEAST_RATIO = 0.9

LOOK_S = 0.1

QUIET = 0.05
"""Share of the machine that other programs may have."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Pictures a second, and seconds of processor time for each of all processes.

    others: share of the machine that everything else had meanwhile.
    """

    rate: float
    picture_s: float
    others: float

    def __str__(self) -> str:
        return f"{self.rate:6.2f}/s {self.picture_s * 1000:7.1f} ms of processor, others {self.others:4.0%}"


def main() -> None:
    """Print the figures; exit with 1 if the ratio is not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=400, help="of 6 megapixels, in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--many", type=int, default=10_000, help="small pictures, for memory")
    parser.add_argument("--quick", action="store_true", help="show in a minute that it works; the figures say nothing")
    args = parser.parse_args()
    if args.quick:
        args.pictures, args.rounds, args.many = 20, 2, 200
    with tempfile.TemporaryDirectory() as made, ray_cluster() as cluster:
        cluster.add()
        folder = Path(made)
        ratio = compare(cluster, folder, args.pictures, args.rounds)
        few = memory(copies(folder / "few", args.many // 10, dot()), folder / "out", "--ray", cluster.address)
        many = memory(copies(folder / "many", args.many, dot()), folder / "out", "--ray", cluster.address)
        print(f"largest memory: {few:.0f} MB for {args.many // 10:,} pictures, {many:.0f} MB for {args.many:,}")
    sys.exit(not args.quick and ratio < LEAST_RATIO)


def compare(cluster: RayCluster, folder: Path, pictures: int, rounds: int) -> float:
    """Print both figures of each round and their medians; gives the median ratio of pictures a second."""
    halves = [copies(folder / f"half-{half}", pictures // 2, photograph()) for half in "ab"]
    large = copies(folder / "large", pictures, photograph())
    found: list[dict[str, Measured]] = []
    for number in range(rounds + 1):  # the first one warms both up
        ways = {
            "without": lambda: measured([(half, "--jobs", "1") for half in halves], folder),
            "with": lambda: measured([(large, "--ray", cluster.address)], folder, cluster.nodes),
        }
        # In turn one is first, then the other: a machine that becomes busier harms both alike.
        names = list(ways) if number % 2 else list(reversed(ways))
        each = {name: ways[name]() for name in names}
        if number:
            found.append(each)
            print(f"{number}: without Ray {each['without']}; with {each['with']}; {_ratios([each])}", flush=True)
    busiest = max(figures.others for each in found for figures in each.values())
    print(f"median: {_ratios(found)}, least {LEAST_RATIO} by wall", flush=True)
    if busiest > QUIET:
        print(f"other programs had up to {busiest:.0%} of the machine: the ratio by wall says little", flush=True)
    return statistics.median(each["with"].rate / each["without"].rate for each in found)


def _ratios(rounds: Sequence[dict[str, Measured]]) -> str:
    wall = statistics.median(each["with"].rate / each["without"].rate for each in rounds)
    processor = statistics.median(each["with"].picture_s / each["without"].picture_s for each in rounds)
    return f"{wall:.3f} of the pictures by wall, {processor:.3f} of the processor time for each"


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


def measured(runs: Sequence[tuple[Path, str, str]], folder: Path, nodes: Sequence[Node] = ()) -> Measured:
    """The figures of commands that run at a time, by their manifests.  nodes: of a cluster, whose processes count too.

    The first fifth is left out: processes start once, however many pictures follow.
    """
    manifests = [folder / f"{number}.jsonl" for number in range(len(runs))]
    commands = []
    for manifest, (source, *arguments) in zip(manifests, runs, strict=True):
        manifest.unlink(missing_ok=True)
        line = [*command(source, folder / f"out-{source.name}", *arguments), "--manifest", str(manifest)]
        commands.append(subprocess.Popen(line, start_new_session=True, stderr=subprocess.DEVNULL))
    total = sum(len(list(source.iterdir())) for source, *_ in runs)
    meter = Meter([each.pid for each in commands], nodes)
    before = _once(lambda: _done(manifests), total // 5, commands, meter)
    # At its last line, and not at the end of the command, which ends the processes of the nodes.
    after = _once(lambda: _done(manifests), total, commands, meter)
    assert [each.wait() for each in commands] == [0] * len(runs)
    own_s = after.own_s - before.own_s
    machine_s = (after.at - before.at) * (psutil.cpu_count() or 1)
    return Measured(
        sum(map(_rate, manifests)),
        own_s / (after.done - before.done),
        max(after.busy_s - before.busy_s - own_s, 0) / machine_s,
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """What was done and used so far.  at, own_s, busy_s: the time, and processor time of ours and of the machine."""

    done: int
    at: float
    own_s: float
    busy_s: float


class Meter:
    """Reads the processor time of commands and nodes, with all processes below them, and that of the machine."""

    def __init__(self, commands: Sequence[int], nodes: Sequence[Node]) -> None:
        self._commands, self._nodes = [psutil.Process(pid) for pid in commands], nodes

    def read(self, done: int) -> Reading:
        """What was used until now.  done: pictures."""
        processes = [process for node in self._nodes for process in node.processes()]
        for process in self._commands:
            processes += [process, *process.children(recursive=True)]
        own_s = 0.0
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                own_s += sum(process.cpu_times()[:4])  # its own, and of the children that it has waited for
        machine = psutil.cpu_times()
        busy_s = sum(machine[:8]) - machine.idle - machine.iowait  # without guests, who count twice
        return Reading(done, time.monotonic(), own_s, busy_s)


def _once(done: Callable[[], int], least: int, commands: Sequence[subprocess.Popen[bytes]], meter: Meter) -> Reading:
    """A reading when so many pictures are done.  A command that has ended is still there: nobody has waited for it."""
    while (found := done()) < least:
        for each in commands:
            ended = os.waitid(os.P_PID, each.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            assert ended is None or ended.si_status == 0, f"{each.args!r} failed"
        time.sleep(LOOK_S)
    return meter.read(found)


def _done(manifests: Sequence[Path]) -> int:
    """How many pictures are done; each manifest begins with a line of the run."""
    return sum(max(file.read_bytes().count(b"\n") - 1, 0) for file in manifests if file.exists())


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

"""`imgsrv bench`: measure how many pictures per second a server makes, and the latency of requests under load."""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgsrv import __version__
from imgsrv.cli._failures import say
from imgsrv.cli._numbers import number, whole_number
from imgsrv.errors import BadArgument, ImgsrvError
from imgsrv.loadtest.conversation import Request, fetched, posted
from imgsrv.loadtest.phases import Phase, closed_phase, first_answer, open_phase
from imgsrv.loadtest.target import Target, parse_target
from imgsrv.printable import printable, without_own_name

if TYPE_CHECKING:
    from imgsrv.cli._bench_table import View

EXIT_FAULTS = 1

PATH = "/resize?width=720"
"""Default path: a route of this server."""

SELF_READY_S = 60.0

MOST_CONNECTIONS, MOST_SECONDS, MOST_RATE = 1000, 600.0, 20_000.0

EPILOG = """\
First comes a closed loop: each connection sends its next request when it has the answer.  This gives the highest
rate.  Then comes an open loop for each --load: requests arrive at random, at that percentage of the highest rate.
This gives the latency that users see.  Every answer is compared with the first answer for the same picture.

  imgsrv bench --self
  imgsrv bench --weights > weights.json
  imgsrv bench http://127.0.0.1:8000 --picture photo.jpg --path '/resize?width=800&format=webp'
  imgsrv bench http://127.0.0.1:8888/unsafe/800x600/photo.jpg --get
  imgsrv bench http://127.0.0.1:8000 --rate 50 --seconds 60 --json > result.json
"""


def add_parser(commands: Any) -> None:
    """Add `bench` to the commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "bench",
        description="Send pictures to any HTTP server for a limited time, and show its rate and latency meanwhile.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("url", nargs="?", metavar="URL", help="the server: http://HOST:PORT, or with a path")
    where.add_argument(
        "--self", action="store_true", dest="is_self", help="start a server on a free port and measure it"
    )
    where.add_argument("--weights", action="store_true", help="print how long each operation takes, for --weights-file")
    parser.add_argument("--workers", default="max", metavar="N", help="number of workers of --self (default: max)")
    parser.add_argument("--path", metavar="PATH", help=f"path and query of the requests (default: {PATH})")
    parser.add_argument(
        "--picture", type=Path, action="append", default=[], metavar="FILE",
        help="picture to post; if given several times, they take turns (default: 4 megapixels of noise)",
    )  # fmt: skip
    parser.add_argument("--get", action="store_true", help="send GET requests without a picture")
    parser.add_argument(
        "--connections",
        type=whole_number(1, MOST_CONNECTIONS),
        default=8,
        metavar="N",
        help="connections of the closed loop (default: 8)",
    )
    parser.add_argument(
        "--seconds",
        type=number(0.2, MOST_SECONDS),
        default=5.0,
        metavar="S",
        help="duration of each phase (default: 5)",
    )
    parser.add_argument(
        "--load", type=_percentages, default=(50.0, 80.0), metavar="P,P…",
        help="open loops at these percentages of the highest rate, or none (default: 50,80)",
    )  # fmt: skip
    parser.add_argument(
        "--rate",
        type=number(0.1, MOST_RATE),
        metavar="R",
        help="run only one open loop, with R requests per second",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Load the server and print the results; return the exit status.  Raises BadArgument."""
    from imgsrv.cli._bench_table import View  # noqa: PLC0415  the help needs no screen
    from imgsrv.cli._tables import Screen  # noqa: PLC0415

    if args.weights:
        return _weigh()
    if args.get and args.picture:
        raise BadArgument("--get sends no picture; leave out --picture")
    bodies = [] if args.get else _bodies(args.picture)
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(_own_server(args.workers)) if args.is_self else args.url
        target = parse_target(url, args.path or PATH)
        if args.path and target.path != args.path:
            raise BadArgument(f"{url} already has a path; leave out --path {args.path}")
        requests = _requests(target, bodies)
        first_answer(target, requests)
        about = [_about(request.expected) for request in requests]
        view = View(Screen(stderr=args.json), target.url, about)
        phases = _load(target, requests, args, stack.enter_context(view))
    if args.json:
        print(json.dumps(_result(target, about, phases), indent=2))
    empty = [phase for phase in phases if not phase.pictures]
    for phase in empty:
        say(f"imgsrv: {phase.name}: no picture was made, {_why_none(phase)}")
    return EXIT_FAULTS if empty or any(phase.faults for phase in phases) else 0


def _why_none(phase: Phase) -> str:
    """Why a phase has no picture, and what to look at."""
    if phase.fault:
        return f"but {printable(phase.fault[:300])}; was the server restarted meanwhile?"
    if phase.refused:
        return f"the server refused all {phase.refused} requests with 503; `imgsrv status` says how full it is"
    return f"and no answer came within {phase.seconds:g} s; measure for longer, or see `imgsrv status`"


def _weigh() -> int:
    """Print the weights of this machine, with the progress on stderr."""
    from imgsrv.cli._tables import Screen  # noqa: PLC0415
    from imgsrv.imaging.prepare import prepare_process  # noqa: PLC0415  loads every codec
    from imgsrv.reference.weighing import Weighing, as_text  # noqa: PLC0415

    prepare_process()
    with Screen(stderr=True).status("") as status:
        numbers = Weighing().weigh(lambda name: status.update(f"measuring {name}"))
    sys.stdout.write(as_text(numbers))
    return 0


def _load(target: Target, requests: Sequence[Request], args: argparse.Namespace, view: View) -> list[Phase]:
    if args.rate:
        return [open_phase(target, requests, args.rate, args.seconds, f"open, {args.rate:g}/s", view.show)]
    closed = closed_phase(target, requests, args.connections, args.seconds, view.show)
    phases = [closed]
    for percentage in args.load if closed.rate else ():
        rate = closed.rate * percentage / 100
        name = f"open, {percentage:g} % of that"
        phases.append(open_phase(target, requests, rate, args.seconds, name, view.show))
    return phases


def _bodies(files: Sequence[Path]) -> list[bytes]:
    from imgsrv.imaging.testcard import noise_card  # noqa: PLC0415  the help needs no pictures

    try:
        return [file.read_bytes() for file in files] or [noise_card()]
    except OSError as error:
        raise BadArgument(f"--picture {error.filename} cannot be read: {error.strerror}") from error


def _requests(target: Target, bodies: Sequence[bytes]) -> list[Request]:
    if not bodies:
        return [fetched(target.path, host=target.authority)]
    return [posted(target.path, body, host=target.authority) for body in bodies]


def _about(answer: bytes) -> str:
    """Describe an answer in words."""
    from imgsrv.imaging.info import describe_picture  # noqa: PLC0415  as above
    from imgsrv.imaging.model.limits import Limits  # noqa: PLC0415

    size = f"{len(answer):,} bytes"
    try:
        facts = describe_picture(answer, Limits())
    except ImgsrvError:
        return f"{size}, not a known picture format"
    return f"{facts['width']}×{facts['height']} {facts['format']}, {size}"


def _result(target: Target, about: Sequence[str], phases: Sequence[Phase]) -> dict[str, Any]:
    return {
        "imgsrv": __version__,
        "url": target.url,
        "answers": about,
        "phases": [asdict(replace(phase, fault=phase.fault[:300])) for phase in phases],
    }


@contextlib.contextmanager
def _own_server(workers: str) -> Iterator[str]:
    """Run a server during the block; yield its URL.  Raises BadArgument with its log if it does not start."""
    command = [sys.executable, "-m", "imgsrv", "serve", "--port", "0", "--workers", workers]
    with tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory() as folder:
        # Its own runtime folder, because another server may have the same name.
        quiet = ["--no-access-log", "--log-format", "json", "--runtime-dir", folder]
        process = subprocess.Popen([*command, *quiet], stdout=subprocess.DEVNULL, stderr=log)  # noqa: S603  ourselves
        try:
            yield _url_in(log, process)
        finally:
            process.terminate()
            try:
                process.wait(SELF_READY_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _url_in(log: Any, process: subprocess.Popen[bytes]) -> str:
    """Wait until the log of a server says that it serves; return its URL."""
    end = time.monotonic() + SELF_READY_S
    while time.monotonic() < end:
        is_over = process.poll() is not None
        log.seek(0)
        lines = log.read().decode(errors="replace").splitlines(keepends=True)
        for line in lines:
            if line.endswith("\n") and '"event": "serving"' in line:
                return str(json.loads(line)["url"])
        if is_over:
            raise BadArgument(f"the server of --self did not start: {_said(lines[-3:])}")
        time.sleep(0.02)
    raise BadArgument(f"the server of --self was not ready in {SELF_READY_S:g} s")


def _said(lines: Sequence[str]) -> str:
    return "".join(map(without_own_name, lines)).strip()


def _percentages(text: str) -> tuple[float, ...]:
    if text == "none":
        return ()
    parse = number(1.0, 1000.0)
    return tuple(parse(part) for part in text.split(","))

"""The servers that imgsrv is compared with: how each is started, asked and ended.

Each runs one process for each core, bound to loopback, as its own documentation recommends.  sharp and Pillow are
measured a second time with the settings that suit them best.  No server may keep a result for the next request, because
then it would only serve a file.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import psutil
import pytest
from servers.ports import free_port, listens
from workloads import FALCON, FALCON_DRAFT, SHARP, SHARP_LIKE_OURS, THUMBOR, Work

from imgsrv.loadtest.conversation import Request, fetched, posted

HERE = Path(__file__).parents[1] / "peers"
INSTALLED = HERE / "installed"

CORES = len(os.sched_getaffinity(0))

READY_S = 40.0

COPIES = 16
"""Of each picture for servers that are asked by its name: some compute equal requests of one time only once."""

THUMBOR_CONF = """
LOADER = "thumbor.loaders.file_loader"
FILE_LOADER_ROOT_PATH = {folder!r}
STORAGE = "thumbor.storages.no_storage"
RESULT_STORAGE = None
ALLOW_UNSAFE_URL = True
AUTO_WEBP = False
RESPECT_ORIENTATION = True
MAX_WIDTH = 0
MAX_HEIGHT = 0
"""
"""A picture from a file, as its users have it; neither pictures nor results are kept."""


@dataclass(frozen=True)
class Place:
    """The place in which a server runs.  folder: the pictures, for servers that fetch.  scratch: for what it writes."""

    port: int
    folder: Path
    scratch: Path


@dataclass(frozen=True)
class Opponent:
    """A server.  command: the program and what it finds in its environment.  request: by work and file.

    alone: how many times it is started, each on a port of its own, because it cannot deal connections to processes.
    """

    name: str
    version: str
    needs: Sequence[Path | str]
    command: Callable[[Place], tuple[Sequence[str], Mapping[str, str]]]
    request: Callable[[Work, Path], Request]
    alone: int = 1

    def missing(self) -> str:
        """Say why it cannot run; empty if it can."""
        absent = [each for each in self.needs if not (each.exists() if isinstance(each, Path) else shutil.which(each))]
        return "not installed: python bench/peers/install.py" if absent else ""


@dataclass
class Running:
    """A server that may be asked.  host: where.  why: there is nothing to ask.  others: its further ports.

    copies: of each picture that it is asked for in turn, by the names of `copy_name`; 0 for the picture itself.
    """

    name: str
    version: str
    port: int
    request: Callable[[Work, Path], Request]
    host: str = "127.0.0.1"
    why: str = ""
    others: Sequence[int] = ()
    copies: int = 0

    def requests(self, work: Work, files: Sequence[Path]) -> list[Request]:
        """A request for each file, again for each copy."""
        if not self.copies:
            return [self.request(work, file) for file in files]
        copies = range(self.copies)
        return [self.request(work, file.with_name(copy_name(file, copy))) for copy in copies for file in files]


def copy_name(file: Path, copy: int) -> str:
    """The name of a copy of a picture."""
    return f"{copy}-{file.name}"


def opponents() -> list[Opponent]:
    """List the servers that bench/peers/install.py installs."""
    node = (*("node",), INSTALLED / "node_modules" / "sharp")
    gunicorn = [INSTALLED / "falcon" / "bin" / "gunicorn"]
    return [
        Opponent(SHARP, "Express 5.3.0, sharp 0.35.5", node, _express, _posted_to_sharp),
        Opponent(SHARP_LIKE_OURS, "Express 5.3.0, sharp 0.35.5", node, _express, _posted_to_sharp_like_ours),
        Opponent("Express + PM2 + sharp", "PM2 7.0.4", node, _pm2, _posted_to_sharp),
        Opponent("ipx", "3.1.1, sharp 0.34", node, _ipx, _ipx_url),
        Opponent(THUMBOR, "7.8.0", [INSTALLED / "thumbor" / "bin" / "thumbor"], _thumbor, _thumbor_url, alone=CORES),
        Opponent(FALCON, "27.0.1, 4.4.0, 13.0.0", gunicorn, _falcon, _posted_to_pillow),
        Opponent(FALCON_DRAFT, "27.0.1, 4.4.0, 13.0.0", gunicorn, _falcon, _posted_to_pillow_with_draft),
    ]


@contextlib.contextmanager
def running(opponent: Opponent, folder: Path, scratch: Path) -> Iterator[Running]:
    """The server for the length of the block.  Fails with its log if it does not listen in time."""
    with contextlib.ExitStack() as stack:
        ports = [
            stack.enter_context(_started(opponent, folder, scratch / str(number))) for number in range(opponent.alone)
        ]
        yield Running(opponent.name, opponent.version, ports[0], opponent.request, others=ports[1:])


@contextlib.contextmanager
def _started(opponent: Opponent, folder: Path, scratch: Path) -> Iterator[int]:
    """One start of it; the port."""
    scratch.mkdir(parents=True)
    place = Place(free_port(), folder, scratch)
    command, environment = opponent.command(place)
    log = scratch / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=scratch,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        end = time.monotonic() + READY_S
        while not listens(place.port):
            is_dead = process.poll() is not None or time.monotonic() > end
            assert not is_dead, log.read_text(errors="replace")[-500:]
            time.sleep(0.05)
        yield place.port
    finally:
        _end(process)


def other(text: str) -> Running:
    """A server that somebody else has started, from `name=http://host:port/path/{width}x{height}/{file}`."""
    name, equals, url = text.partition("=")
    parts = urlsplit(url)
    if not equals or parts.scheme != "http" or parts.hostname is None:
        raise pytest.UsageError(f"--peer {text} is not written as NAME=http://HOST:PORT/PATH")
    template = url.split(parts.netloc, 1)[1] or "/"

    def request(work: Work, file: Path) -> Request:
        path = template.format(
            width=work.width,
            height=work.height or 0,
            fit=work.fit,
            format=work.format,
            quality=work.quality,
            effect=work.effect,
            file=quote(file.name),
        )
        host = parts.netloc
        return fetched(path, host=host) if "{file}" in template else posted(path, file.read_bytes(), host=host)

    copies = COPIES if "{file}" in template else 0
    return Running(name, "", parts.port or 80, request, parts.hostname, copies=copies)


def _express(place: Place) -> tuple[Sequence[str], Mapping[str, str]]:
    return ["node", _script("express_sharp.mjs")], {"PORT": str(place.port), "WORKERS": str(CORES)}


def _pm2(place: Place) -> tuple[Sequence[str], Mapping[str, str]]:
    runtime = INSTALLED / "node_modules" / ".bin" / "pm2-runtime"
    # PM2 counts the machine's cores whatever this process may use.
    command = [str(runtime), "start", _script("express_sharp.mjs"), "-i", str(CORES)]
    return command, {"PORT": str(place.port), "PM2_HOME": str(place.scratch / "pm2"), "PM2_DISCRETE_MODE": "true"}


def _ipx(place: Place) -> tuple[Sequence[str], Mapping[str, str]]:
    environment = {"PORT": str(place.port), "WORKERS": str(CORES), "FOLDER": str(place.folder)}
    return ["node", _script("ipx_cluster.mjs")], environment


def _thumbor(place: Place) -> tuple[Sequence[str], Mapping[str, str]]:
    conf = place.scratch / "thumbor.conf"
    conf.write_text(THUMBOR_CONF.format(folder=str(place.folder)), encoding="utf-8")
    program = INSTALLED / "thumbor" / "bin" / "thumbor"
    where = ["--ip", "127.0.0.1", "--port", str(place.port)]
    # With --processes they share a socket, and whichever wakes first takes all connections that are there: then one
    # core works and one does not.  A process for each port, as behind a load balancer, is what its users run.
    return [str(program), *where, "--conf", str(conf)], {}


def _falcon(place: Place) -> tuple[Sequence[str], Mapping[str, str]]:
    program = INSTALLED / "falcon" / "bin" / "gunicorn"
    # Its default worker does one request at a time: what CPU-bound work asks for.
    where = ["--bind", f"127.0.0.1:{place.port}", "--workers", str(CORES), "--timeout", "120"]
    return [str(program), *where, "--chdir", str(HERE), "falcon_pillow:app"], {"PYTHONDONTWRITEBYTECODE": "1"}


def _script(name: str) -> str:
    """A copy beside the packages, where node looks for what it imports."""
    return str(shutil.copy(HERE / name, INSTALLED / name))


def _posted_to_sharp(work: Work, file: Path) -> Request:
    return _posted(file, _facts(work), options=json.dumps(work.quality_facts))


def _posted_to_sharp_like_ours(work: Work, file: Path) -> Request:
    facts = _facts(work)
    if work.effect:
        facts["effect"] = "convolve-grayscale"
    return _posted(file, facts, options=json.dumps({**work.quality_facts, **work.like_ours}))


def _posted_to_pillow(work: Work, file: Path) -> Request:
    return _posted(file, _facts(work), quality=work.quality)


def _posted_to_pillow_with_draft(work: Work, file: Path) -> Request:
    return _posted(file, _facts(work), quality=work.quality, draft=1)


def _facts(work: Work) -> dict[str, int | str]:
    facts: dict[str, int | str] = {"width": work.width, "fit": work.fit, "format": work.format}
    if work.height:
        facts["height"] = work.height
    if work.effect:
        facts["effect"] = work.effect
    return facts


def _posted(file: Path, facts: Mapping[str, int | str], **more: int | str) -> Request:
    return posted(f"/?{urlencode({**facts, **more})}", file.read_bytes())


def _ipx_url(work: Work, file: Path) -> Request:
    size = f"fit_{work.fit},s_{work.width}x{work.height}" if work.height else f"w_{work.width}"
    # A PNG's quality would make it one of 256 colours.
    quality = "" if work.format == "png" else f",q_{work.quality}"
    effect = ",sharpen_1,grayscale" if work.effect else ""
    # Without an angle it turns upright, as the EXIF orientation says.
    return fetched(f"/rotate_undefined,{size}{effect},f_{work.format}{quality}/{quote(file.name)}")


def _thumbor_url(work: Work, file: Path) -> Request:
    fit = "fit-in/" if work.fit == "inside" else ""
    filters = [f"format({work.format})"]
    if work.format != "png":
        filters.append(f"quality({work.quality})")
    if work.effect:
        filters += ["sharpen(1,1,true)", "grayscale()"]
    return fetched(f"/unsafe/{fit}{work.width}x{work.height or 0}/filters:{':'.join(filters)}/{quote(file.name)}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it and all that it started, each by its own id."""
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()

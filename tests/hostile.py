"""What hostile clients cost others: six measurements of a real server, on loopback, bounded in time and number.

`python tests/hostile.py` prints one table.  `--program /elsewhere/.venv/bin/imgsrv` measures another version.  Names
choose some of the measurements: delays, dearest, memory, slow, download, mixed.  The machine must be quiet.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import resource
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent / "support"), str(Path(__file__).parents[1])]

import psutil
from hostile_requests import flat, pipeline, small_requests
from serving import Server, serving, wait_until
from wire import Wire, head, post

ORDINARY = post("/resize?width=40", flat("PNG", 160))
"""What an ordinary client asks for: a few milliseconds of work."""

PAUSE_S = 0.01
ALONE_S, MOST_S = 1.5, 12.0
"""How long the ordinary client is measured alone, and how long one hostile request is waited for."""

LEAST = 5
"""Requests of the ordinary client before and after the hostile one."""

MIXED_S, MIXED_SLOW = 1_800.0, 100

LEAVING = ("worker_exit", "worker_replaced", "worker_not_responding")
"""Events that say why another worker took the place of one."""

CROWD, CROWD_S = 16, 15.0
SLOW_CLIENTS, SLOW_S = 1_000, 8.0
CROWD_ADDRESS = "127.0.0.2"
"""The slow clients have an address of their own, as strangers have; all of 127.0.0.0/8 is this machine."""

MEMORY_JOBS, MEMORY_MB, MEMORY_SIDE = 64, 1_000, 4_000
DOWNLOAD_RATE = 300_000
DOWNLOAD_PIXELS = 16_000_000
"""As BMP they are 48 MB."""


class Start:
    """Starts servers of one version with their default bounds.

    program: its command; None for this tree's.  way: a word in the names of those slow ways that are measured.
    """

    def __init__(self, program: list[str] | None, way: str = "") -> None:
        self.program, self.way = program, way

    def __call__(self, *flags: str) -> contextlib.AbstractContextManager[Server]:
        return serving(*flags, program=self.program, is_bounded=True)

    def chosen(self, ways: dict[str, tuple[bytes, bytes]]) -> Iterator[tuple[str, tuple[bytes, bytes]]]:
        """The slow ways that are measured."""
        return ((name, way) for name, way in ways.items() if self.way in name)

    def takes(self, flag: str) -> bool:
        """Whether that version has such a setting."""
        command = [*(self.program or [sys.executable, "-m", "imgsrv"]), "serve", "--help"]
        return flag in subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Ordinary(threading.Thread):
    """A client that asks again and again, each time on a new connection, and notes how long each answer took."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.server, self.is_over = server, threading.Event()
        self.seconds: list[float] = []
        self.failures: list[str] = []

    def run(self) -> None:
        while not self.is_over.wait(PAUSE_S):
            start = time.monotonic()
            try:
                with Wire(self.server) as wire:
                    wire.send(ORDINARY)
                    answer = wire.answer()
                if answer.status != 200:
                    self.failures.append(f"{answer.status} {answer.code}")
            except (OSError, EOFError) as error:
                self.failures.append(repr(error)[:100])
            self.seconds.append(time.monotonic() - start)

    def wait_more(self, number: int) -> None:
        """Return when so many more of its requests have ended."""
        wanted = len(self.seconds) + number
        wait_until(lambda: len(self.seconds) >= wanted, "the ordinary client goes on", 60)

    def end(self) -> None:
        self.is_over.set()
        self.join(60)


@contextlib.contextmanager
def ordinary(server: Server) -> Iterator[Ordinary]:
    """An ordinary client for the length of the block; its last request is waited for."""
    client = Ordinary(server)
    client.start()
    try:
        yield client
    finally:
        client.end()


def alone(server: Server, seconds: float = ALONE_S) -> list[float]:
    """What the ordinary client's requests take while nobody else asks for anything."""
    with ordinary(server) as client:
        time.sleep(seconds)
    return client.seconds


def percentile(seconds: list[float], share: float) -> float:
    return sorted(seconds)[min(len(seconds) - 1, int(share * len(seconds)))]


def row(what: str, *cells: object) -> None:
    sys.stdout.write("| " + " | ".join([what, *map(str, cells)]) + " |\n")
    sys.stdout.flush()


# ---- one small request -------------------------------------------------------------------------------


def delays(start: Start) -> None:
    """No request of up to 64 KB delays another client's small request by more than 100 ms, with two workers."""
    with start("--workers", "2") as server:
        alone(server)
        usual = statistics.median(alone(server))
        worst = 0.0
        for name, request in small_requests():
            said = ["no answer in time"]
            with ordinary(server) as client:
                client.wait_more(LEAST)
                with contextlib.suppress(OSError, EOFError), Wire(server) as wire:
                    wire.socket.settimeout(MOST_S)
                    wire.send(request)
                    answer = wire.answer()
                    said = [str(answer.status), *([answer.code] if answer.status >= 400 and answer.body else [])]
                client.wait_more(LEAST)
            delay = max(client.seconds) - usual
            worst = max(worst, delay)
            failed = f", {len(client.failures)} failed: {client.failures[0]}" if client.failures else ""
            row(f"delay by: {name}", f"{1000 * delay:.0f} ms{failed}", " ".join(said))
            settle(server)
        row("**worst delay by one request of up to 64 KB**", f"{1000 * worst:.0f} ms", "at most 100 ms")


def settle(server: Server) -> None:
    """Wait until the server is idle again, or is so busy with the last request that it is not going to be."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        before = server.processor_s()
        time.sleep(0.3)
        if server.processor_s() - before < 0.1:
            return


# ---- a crowd that asks for the dearest ---------------------------------------------------------------


def dearest(start: Start) -> None:
    """Beside 16 clients with the dearest legal request, an ordinary one keeps half of its rate; none of its fails."""
    with start("--workers", "2") as server:
        request, name = dearest_legal(server)
        settle(server)
        alone(server)
        before = len(alone(server, 5)) / 5
        over = threading.Event()

        def ask_again() -> None:
            while not over.is_set():
                with contextlib.suppress(OSError, EOFError), Wire(server) as wire:
                    wire.socket.settimeout(120)
                    wire.send(request)
                    wire.answer()

        crowd = [threading.Thread(target=ask_again, daemon=True) for _ in range(CROWD)]
        for thread in crowd:
            thread.start()
        time.sleep(2)
        with ordinary(server) as client:
            time.sleep(CROWD_S)
        over.set()
        done = [seconds for seconds in client.seconds if seconds < CROWD_S]
        rate = len(done) / CROWD_S / before if done else 0.0
        failed = f"{len(client.failures)} failed {client.failures[:1]}"
        row(
            f"**rate beside {CROWD} clients that ask for {name}**",
            f"{rate:.2f} of alone, {failed}",
            "at least 0.5, none fails",
        )


def dearest_legal(server: Server) -> tuple[bytes, str]:
    """The largest of these requests that is not refused at once."""
    tiny = flat("PNG", 16)
    for side in (10_000, 8_000, 6_000, 4_500, 3_500, 2_500, 1_800, 1_200):
        steps = f"resize:width={side},height={side},enlarge=true/morphology:kind=open,radius=50,shape=square"
        request = post(pipeline(steps), tiny)
        with Wire(server) as wire:
            wire.socket.settimeout(1.0)
            wire.send(request)
            try:
                refused = wire.answer().status >= 400
            except TimeoutError:
                refused = False
        if not refused:
            return request, f"{side}² and morphology open 50"
    raise AssertionError("every request is refused")


# ---- memory ------------------------------------------------------------------------------------------


def memory(start: Start) -> None:
    """Under 64 jobs of the hungriest formats the pool keeps to its budget."""
    side = MEMORY_SIDE
    flags = ["--workers", "2", "--max-pixels", str(side * side)]
    if start.takes("--max-memory"):
        flags += ["--max-memory", f"{MEMORY_MB}MB"]
    for name, request in (
        ("JPEG 2000, read and written", post("/grayscale?format=jp2", flat("JPEG2000", side))),
        ("AVIF to BMP", post("/flip?format=bmp", flat("AVIF", side))),
        ("WebP to TIFF", post("/flip?format=tiff", flat("WEBP", side))),
    ):
        with start(*flags) as server:
            alone(server)
            idle, peak, over = pool_mb(server), [0.0], threading.Event()

            def watch(server: Server = server, peak: list[float] = peak, over: threading.Event = over) -> None:
                while not over.wait(0.05):
                    peak[0] = max(peak[0], pool_mb(server))

            watcher = threading.Thread(target=watch, daemon=True)
            watcher.start()
            statuses: dict[str, int] = {}

            def one(
                _number: int, request: bytes = request, server: Server = server, statuses: dict[str, int] = statuses
            ) -> None:
                said = "lost"
                with contextlib.suppress(OSError, EOFError), Wire(server) as wire:
                    wire.socket.settimeout(60)
                    wire.send(request)
                    answer = wire.answer()
                    said = str(answer.status) if answer.status < 400 else f"{answer.status} {answer.code}"
                statuses[said] = statuses.get(said, 0) + 1

            with ThreadPoolExecutor(MEMORY_JOBS) as crowd:
                list(crowd.map(one, range(MEMORY_JOBS)))
            over.set()
            watcher.join()
            row(
                f"**peak memory, {MEMORY_JOBS} × {name}, {side}²**",
                f"{peak[0]:.0f} MB ({idle:.0f} idle)",
                f"budget {MEMORY_MB} MB + 10 %; {statuses}",
            )


def pool_mb(server: Server) -> float:
    """The memory of the pool, each shared page counted once (PSS)."""
    total = 0
    for process in [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]:
        with contextlib.suppress(psutil.Error, OSError):
            total += process.memory_full_info().pss
    return total / (1 << 20)


# ---- slow clients ------------------------------------------------------------------------------------

PICTURE = flat("PNG", 160)
LARGE = post("/resize?width=3000&height=3000&enlarge=true&format=bmp", flat("PNG", 16))

SLOW_WAYS: dict[str, tuple[bytes, bytes]] = {
    "a head, letter by letter": (b"POST /resize?width=40 HTTP/1.1\r\nHost: a\r\nX: ", b"y"),
    "header lines, one by one": (b"POST /resize?width=40 HTTP/1.1\r\nHost: a\r\n", b"X: y\r\n"),
    "a body, byte by byte": (head("/resize?width=40", "Content-Length: 60000"), b"x"),
    "chunks of one byte": (head("/resize?width=40", "Transfer-Encoding: chunked"), b"1\r\nx\r\n"),
    "a chunk's size, digit by digit": (head("/resize?width=40", "Transfer-Encoding: chunked"), b"0"),
    "multipart, byte by byte": (
        head("/resize?width=40", "Content-Length: 60000", "Content-Type: multipart/form-data; boundary=b") + b"--b\r\n",
        b"x",
    ),
    "nothing at all": (b"", b""),
    "an answer that is not read": (LARGE, b""),
    "half-closed in the body": (head("/resize?width=40", "Content-Length: 60000") + b"x", b"\0half"),
    "requests in a row, none read": (post("/resize?width=40", PICTURE) * 3, b""),
}
"""What is sent at first, and then again and again."""


def slow(start: Start) -> None:
    """A thousand connections in each of ten slow ways: the p99 of others is at most 1.5 times what it was."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    for name, (first, again) in start.chosen(SLOW_WAYS):
        with start("--workers", "2") as server:
            alone(server)
            before = percentile(alone(server, 4), 0.99)
            crowd = [server.connect(CROWD_ADDRESS) for _ in range(SLOW_CLIENTS)]
            over = threading.Event()

            def send(
                crowd: list[socket.socket] = crowd,
                first: bytes = first,
                again: bytes = again,
                over: threading.Event = over,
            ) -> None:
                """Send to each once a second, without waiting for any."""
                for client in crowd:
                    client.setblocking(False)
                pieces = first
                while not over.is_set():
                    for client in crowd:
                        with contextlib.suppress(OSError):
                            if pieces == b"\0half":
                                client.shutdown(socket.SHUT_WR)
                            elif pieces:
                                client.send(pieces)
                        if over.wait(1 / SLOW_CLIENTS):
                            return
                    pieces = again

            sender = threading.Thread(target=send, daemon=True)
            sender.start()
            time.sleep(2)
            with ordinary(server) as client:
                time.sleep(SLOW_S)
            over.set()
            sender.join()
            for connection in crowd:
                connection.close()
            after = percentile(client.seconds, 0.99)
            row(
                f"**p99 beside {SLOW_CLIENTS} clients: {name}**",
                f"{after / before:.2f} × ({1000 * before:.0f} → {1000 * after:.0f} ms)",
                f"at most 1.5 ×; {len(client.failures)} failed {client.failures[:1]}",
            )


# ---- a slow download ---------------------------------------------------------------------------------


def download(start: Start) -> None:
    """A client that reads 48 MB at 300 KB/s gets all of it, also during a stop, a scale and a reload."""
    with ThreadPoolExecutor(4) as pool:
        for line in pool.map(lambda what: _downloaded(start, what), ("nothing else", "a scale", "a reload", "a stop")):
            row(*line)


def _downloaded(start: Start, what: str) -> tuple[str, str, str]:
    side = int(DOWNLOAD_PIXELS**0.5)
    # Before it connects: a server closes a connection that says nothing for long, and this takes a while.
    request = post("/flip?format=bmp", flat("WEBP", side))
    with start("--workers", "2") as server:
        with Wire(server) as wire:
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            wire.send(request)
            wire.socket.settimeout(60)
            received, size, started, is_told = bytearray(wire.socket.recv(65_536)), 1 << 62, time.monotonic(), False
            outcome = ""
            while len(received) < size:
                if size == 1 << 62 and b"\r\n\r\n" in received:
                    top, _, rest = bytes(received).partition(b"\r\n\r\n")
                    size = int(
                        next(line for line in top.split(b"\r\n") if line.lower().startswith(b"content-length")).split(
                            b":"
                        )[1]
                    )
                    received = bytearray(rest)
                if not is_told and time.monotonic() - started > 3:
                    is_told = True
                    _disturb(server, what)
                try:
                    data = wire.socket.recv(min(65_536, max(1, size - len(received))))
                except OSError as error:
                    outcome = repr(error)
                    break
                if not data:
                    outcome = "closed"
                    break
                received += data
                time.sleep(max(0.0, started + len(received) / DOWNLOAD_RATE - time.monotonic()))
            seconds = time.monotonic() - started
        return (
            f"**download of {size / 1e6:.0f} MB at {DOWNLOAD_RATE / 1e3:.0f} KB/s during {what}**",
            f"{len(received) / size:.0%} in {seconds:.0f} s {outcome}",
            "100 %",
        )


def _disturb(server: Server, what: str) -> None:
    if what == "a stop":
        server.signal(signal.SIGTERM)
    elif what == "a reload":
        server.signal(signal.SIGHUP)
    elif what == "a scale":
        server.signal(signal.SIGTTOU)


# ---- half an hour ------------------------------------------------------------------------------------


def mixed(start: Start) -> None:
    """Half an hour of good, broken, hostile and slow clients at once leaves what was there after its first third."""
    with start("--workers", "2") as server:
        alone(server)
        seen, pids, over = [holdings(server)], server.workers(), threading.Event()
        asked = {"hostile": 0, "broken": 0}
        threads = [
            threading.Thread(target=_ask, args=(server, over, kind, asked), daemon=True)
            for kind in ("hostile", "broken")
        ]
        threads.append(threading.Thread(target=_drip, args=(server, over), daemon=True))
        for thread in threads:
            thread.start()
        with ordinary(server) as client:
            for _ in range(3):
                time.sleep(MIXED_S / 3)
                seen.append(holdings(server))
        over.set()
        for thread in threads:
            thread.join(60)
        settle(server)
        alone(server)
        seen.append(holdings(server))
        lost = len(set(pids) - set(server.workers()))
        good = f"{len(client.seconds)} good ({len(client.failures)} failed {client.failures[:1]})"
        reasons = [event["reason"] for name in LEAVING for event in server.named(name)]
        answers = f"{good}, {asked}, {lost} workers replaced {reasons or ''}".strip()
        row(f"**{MIXED_S / 60:.0f} minutes of mixed load**", " → ".join(seen), answers)


def _ask(server: Server, over: threading.Event, kind: str, asked: dict[str, int]) -> None:
    """Send hostile requests as they are, or broken ones."""
    dice, requests = random.Random(12), [request for _name, request in small_requests()]  # noqa: S311  a test's dice
    while not over.wait(0.2):
        request = bytearray(dice.choice([ORDINARY, *requests]))
        if kind == "broken":
            for _ in range(dice.randrange(1, 9)):
                request[dice.randrange(len(request))] = dice.randrange(256)
            del request[dice.randrange(1, len(request)) :]
        with contextlib.suppress(OSError, EOFError, AssertionError, ValueError), Wire(server) as wire:
            wire.socket.settimeout(30)
            wire.send(bytes(request))
            wire.half_close()
            wire.answer()
        asked[kind] += 1


def _drip(server: Server, over: threading.Event) -> None:
    """Hold connections in each of the slow ways, new ones every 20 s."""
    while not over.is_set():
        crowd = [server.connect() for _ in range(MIXED_SLOW)]
        for client, (first, _again) in zip(crowd, cycle(SLOW_WAYS.values()), strict=False):
            with contextlib.suppress(OSError):
                client.send(first or b"P")
        over.wait(20)
        for client in crowd:
            client.close()


def holdings(server: Server) -> str:
    """The memory, the descriptors and the threads of the master and its workers, without those of helpers."""
    processes = [psutil.Process(pid) for pid in (server.pid, *server.workers())]
    memory = "/".join(f"{process.memory_full_info().pss / (1 << 20):.0f}" for process in processes)
    descriptors = "/".join(str(process.num_fds()) for process in processes)
    threads = "/".join(str(process.num_threads()) for process in processes)
    return f"{memory} MB, {descriptors} descriptors, {threads} threads"


# ---- all of it ---------------------------------------------------------------------------------------

MEASUREMENTS = {
    "delays": delays,
    "dearest": dearest,
    "memory": memory,
    "slow": slow,
    "download": download,
    "mixed": mixed,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measurements", nargs="*", choices=[*MEASUREMENTS, []], help="those to make; all by default")
    parser.add_argument("--program", metavar="PATH", help="the `imgsrv` of another version")
    parser.add_argument("--way", default="", help="a word in the names of the slow ways that are measured")
    wanted = parser.parse_args()

    start = Start([wanted.program] if wanted.program else None, wanted.way)
    row("what", "measured", "wanted, or what was answered")
    row("---", "---", "---")
    for name in wanted.measurements or MEASUREMENTS:
        MEASUREMENTS[name](start)


if __name__ == "__main__":
    main()

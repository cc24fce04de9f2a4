"""The benches compare with another server, with a run that broke off, and with imgsrv without its exchange."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opponents import COPIES, Running, other
from pictures import SAMPLES
from separate import OwnQueue
from serving import Server
from workloads import Work

from imgsrv.loadtest.closed_loop import crowd, in_turn
from imgsrv.loadtest.conversation import Request
from imgsrv.pool.worker.exchange import Exchange

ROOT = Path(__file__).parents[1]

PHOTO = SAMPLES / "coffee.jpg"
WORK = Work("photo", "a photograph", [PHOTO], 120, None)


class Folder(SimpleHTTPRequestHandler):
    """Serves files, as a server does that reads the pictures from its disk."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing."""


def answered(peer: Running) -> Request:
    """The request for the photograph, after it was answered."""
    request = peer.request(WORK, PHOTO)
    with crowd(peer.port, 1, peer.host) as one:
        one.load(in_turn([request]), 0.0, least=1).checked()
    return request


def test_a_peer_without_a_file_in_its_url_is_sent_the_picture(server: Server) -> None:
    peer = other(f"mine={server.url}/resize?width={{width}}&format={{format}}&quality={{quality}}")

    request = answered(peer)

    assert peer.name == "mine"
    assert request.head.startswith(b"POST /resize?width=120&format=jpeg&quality=80 HTTP/1.1\r\n")
    assert request.expected.startswith(b"\xff\xd8")


def test_a_peer_with_a_file_in_its_url_is_asked_for_it() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Folder, directory=str(SAMPLES))) as folder:
        thread = threading.Thread(target=folder.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            request = answered(other(f"disk=http://127.0.0.1:{folder.server_port}/{{file}}?{{width}}x{{height}}"))
        finally:
            folder.shutdown()
            thread.join()

    assert request.head.startswith(b"GET /coffee.jpg?120x0 HTTP/1.1\r\n")
    assert request.expected == PHOTO.read_bytes()


def test_a_peer_with_a_file_in_its_url_is_asked_for_many_urls() -> None:
    # A server that computes equal requests of one time only once would make one picture for all connections.
    files = [PHOTO, SAMPLES / "rocket.jpg"]

    requests = other("disk=http://127.0.0.1:1/{file}").requests(WORK, files)

    assert [one.head.split()[1] for one in requests[:3]] == [b"/0-coffee.jpg", b"/0-rocket.jpg", b"/1-coffee.jpg"]
    assert len({one.head for one in requests}) == len(requests) == 2 * COPIES


def test_a_peer_that_is_sent_the_picture_has_one_request_for_each() -> None:
    assert len(other("mine=http://127.0.0.1:1/").requests(WORK, [PHOTO])) == 1


@pytest.mark.parametrize("text", ["http://127.0.0.1/", "mine=https://127.0.0.1/", "mine="])
def test_a_peer_that_is_not_written_as_it_should_be_is_refused(text: str) -> None:
    with pytest.raises(pytest.UsageError, match="is not written as NAME=http://HOST:PORT/PATH"):
        other(text)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The benches with results of their own."""
    left_out = shutil.ignore_patterns("installed", "results", "__pycache__")
    shutil.copytree(ROOT / "bench", tmp_path / "bench", ignore=left_out)
    shutil.copytree(ROOT / "tests" / "support", tmp_path / "tests" / "support", ignore=left_out)
    shutil.copytree(SAMPLES, tmp_path / "samples", ignore=left_out)
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, tmp_path)
    return tmp_path


def run(folder: Path, *flags: str) -> str:
    """The last line of a quick run."""
    command = [sys.executable, "-m", "pytest", "bench/test_codecs.py", "--quick", "-p", "no:cacheprovider", *flags]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


def test_a_run_that_is_resumed_leaves_out_what_is_done_and_does_the_rest(copied: Path) -> None:
    run(copied, "-k", "writing and bmp")

    resumed = run(copied, "-k", "bmp", "--resume", "-v")

    assert " 1 passed" in resumed
    lines = (copied / ".benchmarks" / "quick" / "codecs.jsonl").read_text(encoding="utf-8")
    assert lines.count('"kind": "codec"') == 2


def test_the_server_without_an_exchange_does_all_that_a_worker_asks_of_one() -> None:
    asked = {name for name in vars(Exchange) if not name.startswith("_")}

    # Nothing closes one that only a worker has.
    assert asked - set(dir(OwnQueue)) <= {"close"}

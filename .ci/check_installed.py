"""What an installed imgsrv must do without its sources: be a library, convert a picture, serve one and end.

    PYTHON .ci/check_installed.py

PYTHON: that of an environment which holds the wheel and nothing of the sources.
"""

from __future__ import annotations

import http
import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import imgsrv

SAMPLE = Path(__file__).resolve().parents[1] / "samples" / "coffee.jpg"
PROGRAM = str(Path(sys.executable).parent / "imgsrv")
DEADLINE_S = 60


def main() -> None:
    """Fail at the first thing that does not work."""
    assert Path(imgsrv.__file__).is_relative_to(sys.prefix), f"{imgsrv.__file__} is not the installed one"
    assert (Path(imgsrv.__file__).parent / "py.typed").exists()
    assert list(Path(imgsrv.__file__).parent.rglob("imgsrv_jpeg-*.so")), "the native decoder is not there"
    assert (Path(sys.prefix) / "share" / "man" / "man1" / "imgsrv.1").exists(), "the manual page is not there"
    pages = Path(imgsrv.__file__).parent / "web" / "pages"
    assert (pages / "playground" / "app" / "store.js").exists(), "the files of the pages are not there"
    assert imgsrv.process(SAMPLE.read_bytes(), "resize:width=100").startswith(b"\xff\xd8")
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        print(_run("--version").strip())
        assert "`resize`" in _run("operations", "--markdown"), "the record of the catalogue is not there"
        _run("convert", str(SAMPLE), "small.webp", "resize:width=300/sharpen")
        assert Path("small.webp").read_bytes()[8:12] == b"WEBP"
        _serve(Path(name))
    print("the installed package works")


def _run(*arguments: str) -> str:
    return subprocess.run(
        [PROGRAM, *arguments], check=True, stdout=subprocess.PIPE, text=True, timeout=DEADLINE_S
    ).stdout


def _serve(folder: Path) -> None:
    """One request to a server of its own, which then ends with status 0."""
    environment = {**os.environ, "IMGSRV_RUNTIME_DIR": str(folder / "run")}
    command = [PROGRAM, "serve", "--port", "0", "--workers", "1", "--log-format", "json"]
    (folder / "run").mkdir(mode=0o700)
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            # Each line is an event; the log ends with the server, also where it does not come to serve.
            events = (json.loads(line) for line in server.stderr)
            url = next(event["url"] for event in events if event["event"] == "serving")
            with urllib.request.urlopen(f"{url}/resize?width=100", SAMPLE.read_bytes(), DEADLINE_S) as answer:
                assert answer.status == http.HTTPStatus.OK
                assert answer.read().startswith(b"\xff\xd8")
            server.send_signal(signal.SIGTERM)
            assert server.wait(DEADLINE_S) == 0
        finally:
            server.kill()


if __name__ == "__main__":
    main()

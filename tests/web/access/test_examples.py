"""The code of docs/access.md: each language makes URLs that a server accepts."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imgsrv.web.access.signatures import Secrets, sign

DOCUMENT = (Path(__file__).parents[3] / "docs" / "access.md").read_text(encoding="utf-8")

CALL = "sign('/resize?source=file%3Aa.jpg&width=80', '2026a', 'the secret of the test', 600{})"

LANGUAGES = {
    "python": ([sys.executable, "-c"], "{}\nprint({})"),
    "js": (["node", "-e"], "{}\nconsole.log({})"),
    "php": (["php", "-r"], "{}\necho {};"),
}


def code(language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    return str(found)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_example_signs_as_the_server_does(language: str, method: str) -> None:
    command, frame = LANGUAGES[language]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    further = "" if method == "GET" else f", {'method=' if language == 'python' else ''}'{method}'"
    program = frame.format(code(language), CALL.format(further))
    url = subprocess.run([*command, program], capture_output=True, text=True, check=True).stdout.strip()
    now = time.time()
    path, _, query = url.partition("?")
    signed = Secrets({"2026a": b"the secret of the test"}).check(method, path.encode(), query.encode(), now)
    assert signed.query == b"source=file%3Aa.jpg&width=80"
    [expires] = re.findall("expires=([0-9]+)", url)
    assert now + 590 < int(expires) <= now + 600
    target = "/resize?source=file%3Aa.jpg&width=80"
    assert url == sign(b"the secret of the test", method, target, "2026a", int(expires))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_example_is_short(language: str) -> None:
    assert len([line for line in code(language).splitlines() if line.strip()]) <= 10

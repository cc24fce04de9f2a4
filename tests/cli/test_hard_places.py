"""A machine that refuses something gets a sentence from every command, never a traceback: table 1 × table 2.

Nobody's rights are changed: a folder is closed by its mode, and a user namespace takes root's rights and its name away.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.slow

SAMPLE = Path(__file__).parents[2] / "samples" / "coffee.jpg"

ENDED_WITH_SENSE = (0, 1, 2, 141)
"""Done, failed, wrong arguments, nobody reads the output."""

NOBODY = "unshare --user --map-user=12345 --map-group=12345"
"""Run as a user without an entry in passwd and without root's rights."""

HIDDEN = "unshare --mount sh -c 'mount -t tmpfs none /proc && exec \"$@\"' sh"

MACHINES = {
    "as-usual": 'exec "$@"',
    "output-closed": 'exec "$@" >&-',
    "errors-closed": 'exec "$@" 2>&-',
    "input-closed": 'exec "$@" <&-',
    "all-closed": 'exec "$@" <&- >&- 2>&-',
    "output-full": 'exec "$@" >/dev/full',
    "errors-full": 'exec "$@" 2>/dev/full',
    "reader-gone": '"$@" | true; exit ${PIPESTATUS[0]}',
    "files-full": 'ulimit -f 0; exec "$@"',
    "few-descriptors": 'ulimit -n 8; exec "$@"',
    "no-home": f'unset HOME IMGSRV_RUNTIME_DIR; exec {NOBODY} "$@"',
    "home-closed": f'export HOME=$D/closed; unset IMGSRV_RUNTIME_DIR; exec {NOBODY} "$@"',
    "state-closed": f'export XDG_STATE_HOME=$D/closed/s IMGSRV_RUNTIME_DIR=$D/closed/r; exec {NOBODY} "$@"',
    "folder-closed": f'cd $D/closed; exec {NOBODY} "$@"',
    "folder-deleted": 'mkdir gone; cd gone; rmdir ../gone; exec "$@"',
    "folder-is-a-file": 'export XDG_STATE_HOME=$D/file/s IMGSRV_RUNTIME_DIR=$D/file/r; exec "$@"',
    "configuration-is-a-folder": 'mkdir imgsrv.toml; exec "$@"',
    "configuration-is-no-text": "printf '\\377' >imgsrv.toml; exec \"$@\"",
    "no-temporary-folder": 'export TMPDIR=/nonexistent; exec "$@"',
    "no-terminal": 'unset TERM; exec "$@"',
    "plain-letters": 'export LC_ALL=C PYTHONIOENCODING=ascii; exec "$@"',
    "no-proc": f'exec {HIDDEN} "$@"',
}
"""Table 1: the command in "$@", on a machine that refuses something.  $D is the folder of the test."""

COMMANDS = (
    *("--version", "list", "status", "monit", "completion bash", "logs", "sign --new-secret x"),
    *("keys add --file keys x", "config", "systemd-unit", "convert D/a.jpg out.webp resize:width=90"),
    "convert - - --format png",
)
"""Table 2.  D is the folder of the test, with the folder `closed`, the file `file` and the picture `a.jpg`."""

PLACES = (
    *("logs --file D/closed/x.log", "logs --file D/closed/x.log -f", "logs --file D", "logs --file D/file/x.log"),
    *(
        "keys add --file D/closed/keys x",
        "keys list --file D",
        "sign --file D/closed/s /x",
        "config --config D/closed/c",
    ),
    *("convert D/a.jpg D/closed/out.png", "convert D/closed/a.jpg out.png", "convert D/a.jpg D/closed/"),
    *(
        "convert D/a.jpg D/file/out.png",
        "convert D/a.jpg out.png --font-dir D/closed/f",
        "cache stats --cache-dir D/file/c",
    ),
    "config --check --log-file D/closed/x.log",
    *("config --quarantine D/closed/x --check", "serve --crash-dir D/closed/c", "serve --quarantine D/file/c"),
    *("serve --font-dir D/closed/c", "serve --cache-dir D/closed/c", "cache purge --cache-dir D/closed/c"),
    *("serve --keys-file D/closed/c", "serve --secrets-file D/closed/c", "serve --uploads-dir D/closed/c"),
    *(
        "serve --port 0 --log-file D/closed/x.log",
        "serve --port 0 --log-file D",
        "serve --port 0 --runtime-dir D/closed/c",
    ),
    *("serve --port 0 --host unix:D/closed/c.sock", "start --port 0 --log-file D/closed/x.log"),
    *("start --port 0 --runtime-dir D/file/c", "bench http://127.0.0.1:9 --picture D/closed/x.jpg"),
)
"""Commands with a place that cannot be used, which are tried as a user without rights."""

SAID_IN_SEVERAL_LINES = ("start", "convert")
"""`start` shows the last lines of the log, and `convert` a summary; it names the picture and not itself."""


class Done(NamedTuple):
    status: int
    output: str
    errors: str


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "file").touch()
    (tmp_path / "runtime").mkdir(mode=0o700)
    (tmp_path / "here").mkdir()
    shutil.copy(SAMPLE, tmp_path / "a.jpg")
    return tmp_path


def run(folder: Path, machine: str, words: list[str]) -> Done:
    """Run a program on a machine of table 1."""
    here = folder / "here"
    shutil.rmtree(here)
    here.mkdir()
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "D": str(folder), "LANG": "C.UTF-8", "HOME": str(folder)}
    found = subprocess.run(
        ["/bin/bash", "-c", MACHINES[machine], "bash", *words],
        cwd=here,
        env={**environment, "TERM": "xterm", "IMGSRV_RUNTIME_DIR": f"{folder}/runtime"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=100,
    )
    return Done(found.returncode, found.stdout.decode(errors="replace"), found.stderr.decode(errors="replace"))


def imgsrv(folder: Path, machine: str, command: str) -> Done:
    words = [
        word if word != "D" and "D/" not in word else str(folder) if word == "D" else word.replace("D/", f"{folder}/")
        for word in command.split()
    ]
    return run(folder, machine, [sys.executable, "-m", "imgsrv", *words])


def fault_of(done: Done, machine: str, command: str) -> str | None:
    """What is wrong with the way in which a command has ended; None if it is right."""
    if "Traceback" in done.output + done.errors or "Exception ignored" in done.errors:
        return "a traceback"
    if done.status not in ENDED_WITH_SENSE:
        return "an exit status that says nothing"
    if done.status in (0, 141) or machine in ("errors-closed", "errors-full", "all-closed"):
        return None
    lines = done.errors.strip().splitlines()
    if not lines and machine == "reader-gone":
        return None
    # A configuration that nobody named and that is broken gets a sentence of its own.
    if len(lines) > 1 + machine.startswith("configuration") and not command.startswith(SAID_IN_SEVERAL_LINES):
        return "not one sentence"
    is_said = any(line.startswith("imgsrv") or command.startswith("convert") for line in lines[:1])
    return None if is_said else "no sentence"


def faults(folder: Path, machine: str, commands: tuple[str, ...]) -> dict[str, tuple[str, Done]]:
    found = {}
    for command in commands:
        done = imgsrv(folder, machine, command)
        if (fault := fault_of(done, machine, command)) is not None:
            found[command] = fault, done
    return found


def skip_unless_possible(folder: Path, machine: str) -> None:
    if (tried := run(folder, machine, [sys.executable, "-c", "pass"])).status:
        pytest.skip(f"this machine cannot be made so: {tried.errors.strip()}")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("machine", MACHINES)
def test_no_command_ends_with_a_traceback(machine: str, folder: Path) -> None:
    if machine != "few-descriptors":
        skip_unless_possible(folder, machine)
    assert faults(folder, machine, COMMANDS) == {}


@pytest.mark.timeout(600)
def test_a_place_that_cannot_be_used_is_named_in_a_sentence(folder: Path) -> None:
    skip_unless_possible(folder, "no-home")
    assert faults(folder, "no-home", PLACES) == {}
    assert [command for command in PLACES if imgsrv(folder, "no-home", command).status == 0] == []


@pytest.mark.parametrize(
    ("machine", "command", "status", "said"),
    [
        ("output-full", "list", 1, "imgsrv: standard output cannot be written: No space left on device; make room"),
        ("output-closed", "sign --new-secret x", 1, "imgsrv: standard output cannot be written: it is closed"),
        ("reader-gone", "completion bash", 141, ""),
        (
            "folder-deleted",
            "keys add --file keys x",
            1,
            "imgsrv: the current folder does not exist any more; change to",
        ),
        (
            "no-home",
            "start --port 0",
            2,
            "imgsrv: user 12345 has no home folder for the log and the crash reports; set",
        ),
        ("folder-is-a-file", "status", 1, "imgsrv: the runtime folder"),
    ],
)
def test_the_sentence_says_what_to_do(machine: str, command: str, status: int, said: str, folder: Path) -> None:
    skip_unless_possible(folder, machine)
    done = imgsrv(folder, machine, command)
    assert (done.status, done.errors[: len(said)]) == (status, said)


def test_a_key_that_nobody_has_seen_is_not_made(folder: Path) -> None:
    assert imgsrv(folder, "output-full", "keys add --file D/keys x").status == 1
    assert not (folder / "keys").exists()


def test_errors_never_go_to_the_output(folder: Path) -> None:
    assert imgsrv(folder, "errors-closed", "status") == (1, "", "")


def test_letters_that_the_output_cannot_show_are_escaped(folder: Path) -> None:
    done = imgsrv(folder, "plain-letters", "convert --help")
    assert (done.status, done.errors, "[IN \\u2026]" in done.output) == (0, "", True)

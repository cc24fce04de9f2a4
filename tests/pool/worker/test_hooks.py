"""Hooks: each worker calls the functions of the operator; a failing one only stops a boot, with its reason."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from serving import Server, serving, wait_until

pytestmark = pytest.mark.slow

HOOKS = """
import collections, itertools, os, sys, time
from pathlib import Path

IMPORTED_IN = os.getpid()
FOLDER = Path(__file__).parent

def start(slot):
    (FOLDER / f"started-{slot}-{os.getpid()}").touch()
    assert IMPORTED_IN == os.getpid()

def stop(slot):
    (FOLDER / f"stopped-{slot}-{os.getpid()}").touch()

def fail(slot):
    raise RuntimeError(f"no database for {slot}")

def leave(slot):
    sys.exit("no")

def hang(slot):
    try:
        time.sleep(1000)
    except Exception:
        pass

def stay(slot):
    while True:
        try:
            time.sleep(1000)
        except BaseException:
            pass

def stay_with_the_lock(slot):
    collections.deque(itertools.repeat(0), 0)

def fail_once(slot):
    try:
        (FOLDER / "failed").touch(exist_ok=False)
    except FileExistsError:
        return
    raise RuntimeError("not yet")
"""


@pytest.fixture
def with_hooks(tmp_path: Path) -> dict[str, Any]:
    """Options of a server that finds the functions above as `hooks:…`."""
    (tmp_path / "hooks.py").write_text(HOOKS, encoding="utf-8")
    return {"environment": {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}}


def test_each_worker_calls_both_hooks_once_in_its_own_process(tmp_path: Path, with_hooks: dict[str, Any]) -> None:
    flags = ("--workers", "2", "--on-worker-start", "hooks:start", "--on-worker-stop", "hooks:stop")
    with serving(*flags, **with_hooks) as server:
        workers = server.workers()
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
    calls = sorted(file.name.split("-") for file in tmp_path.glob("st*-*"))
    assert [(what, slot) for what, slot, _pid in calls] == [
        ("started", "0"), ("started", "1"), ("stopped", "0"), ("stopped", "1"),
    ]  # fmt: skip
    assert sorted({int(pid) for _what, _slot, pid in calls}) == workers


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        pytest.param("hooks:fail", "RuntimeError: no database for 0", id="it-raises"),
        pytest.param("hooks:leave", "SystemExit: no", id="it-exits"),
        pytest.param("hooks:hang", "not done within 0.2 s (--hook-timeout-s)", id="it-hangs"),
        pytest.param("hooks:absent", "AttributeError: module 'hooks' has no attribute 'absent'", id="it-is-not-there"),
    ],
)
def test_a_failing_start_hook_prevents_the_start_and_gives_the_reason(
    with_hooks: dict[str, Any], hook: str, reason: str
) -> None:
    server = Server("--workers", "1", "--hook-timeout-s", "0.2", "--on-worker-start", hook, **with_hooks)
    try:
        assert server.wait_exit() == 1
        assert f"no worker can start: on_worker_start {hook}: {reason}" in server.other_lines[-1]
    finally:
        server.stop()


@pytest.mark.parametrize("hook", ["stay", "stay_with_the_lock"])
def test_a_hook_that_never_returns_ends_its_worker_and_its_stack_is_logged(
    with_hooks: dict[str, Any], hook: str
) -> None:
    server = Server("--workers", "1", "--hook-timeout-s", "0.1", "--on-worker-start", f"hooks:{hook}", **with_hooks)
    try:
        wait_until(lambda: server.named("crash_report") != [], "it is ended and reported")
        assert f"in {hook}" in server.named("crash_report")[0]["stack"]
    finally:
        server.stop()


@pytest.mark.parametrize("hook", ["stay", "stay_with_the_lock"])
def test_a_stop_hook_that_never_returns_does_not_outlive_the_master(with_hooks: dict[str, Any], hook: str) -> None:
    with serving(
        "--workers", "1", "--hook-timeout-s", "0.1", "--on-worker-stop", f"hooks:{hook}", **with_hooks
    ) as server:
        (worker,) = server.workers()
        server.signal(signal.SIGKILL)
        wait_until(lambda: not psutil.pid_exists(worker), "the worker ends")


def test_a_start_hook_that_fails_once_is_tried_again(with_hooks: dict[str, Any]) -> None:
    with serving("--workers", "1", "--on-worker-start", "hooks:fail_once", **with_hooks) as server:
        assert len(server.named("worker_boot_failed")) == 1
        assert server.named("worker_ready") != []


@pytest.mark.parametrize("hook", ["hooks:fail", "hooks:hang"])
def test_a_stop_hook_that_fails_is_logged_and_the_server_stops(with_hooks: dict[str, Any], hook: str) -> None:
    with serving("--workers", "1", "--hook-timeout-s", "0.2", "--on-worker-stop", hook, **with_hooks) as server:
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
        wait_until(lambda: len(server.named("hook_failed")) == 1, "the failure is logged")
        assert hook in server.named("hook_failed")[0]["reason"]

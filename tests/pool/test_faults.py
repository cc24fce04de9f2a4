"""The system refuses resources to a running server: one client gets a clear 5xx, and the log has an event.

No such fault ends a worker.  Each worker serves on as soon as the fault is gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from pictures import encoded, picture
from queueing import message
from serving import DEADLINE_S, Server, serving, wait_until
from wire import HEALTH, PNG, Answer, Wire, ask, chunked, head, is_flipped, metric, noise, post

from imgsrv.errors import from_wire
from imgsrv.pool.worker.exchange import MESSAGE
from imgsrv.shortages import FOR_BODIES, FOR_REPLIES

pytestmark = pytest.mark.slow

SYS_PIDFD_GETFD = 438

FORM = "Content-Type: multipart/form-data; boundary=XX"
LARGE = "/pipeline?ops=resize:width=9000,enlarge=true/blur:sigma=2&format=jpeg"
"""A third of a gigabyte for a small picture."""

LONG = "/pipeline?ops=resize:width=2000,enlarge=true" + "/blur:sigma=3.9" * 25
"""More than a second of work for a small picture, in little memory."""

ENDLESS = "/pipeline?ops=resize:width=5000,enlarge=true" + "/blur:sigma=3.9" * 30
"""Half a minute of work."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of one worker; at the end, the same worker must still serve."""
    with serving("--workers=1", "--job-timeout-s=20") as running:
        pids = running.workers()
        assert is_flipped(ask(running, post("/flip", PNG)))
        yield running
        assert is_flipped(ask(running, post("/flip", PNG)))
        assert running.workers() == pids
        assert running.named("worker_exit") == []


def the_worker(server: Server) -> int:
    (pid,) = server.workers()
    return pid


@contextlib.contextmanager
def limited(server: Server, which: int, value: int) -> Iterator[None]:
    """Give the worker another limit of the kernel during the block."""
    pid = the_worker(server)
    before = resource.prlimit(pid, which)
    resource.prlimit(pid, which, (value, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, which, before)


def checked(server: Server, answer: Answer, status: int, code: str, reason: str = "") -> None:
    """Check that the answer is this problem and that the log has an event for it."""
    assert (answer.status, answer.code) == (status, code), answer.body
    assert reason in answer.problem["detail"]
    if status == 503:
        assert int(answer.headers["retry-after"]) >= 1
    name = answer.headers["x-request-id"]
    wait_until(
        lambda: any((event.get("request_id"), event.get("code")) == (name, code) for event in faults(server)),
        f"the log has an event of {name}",
    )


def faults(server: Server) -> list[dict[str, object]]:
    return server.named("request_failed")


# ---- the queue ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def queue_of(server: Server) -> Iterator[socket.socket]:
    """The front's end of the running server's own queue of cheap jobs, which is made first."""
    libc = ctypes.CDLL(None, use_errno=True)
    pid = the_worker(server)
    process = os.pidfd_open(pid)
    found: list[socket.socket] = []
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            if not entry.readlink().name.startswith("socket:"):
                continue
            descriptor = libc.syscall(SYS_PIDFD_GETFD, process, int(entry.name), 0)
            if descriptor < 0:
                pytest.skip(f"the system lets nobody look into a process: {os.strerror(ctypes.get_errno())}")
            found.append(socket.socket(fileno=descriptor))
        yield max(
            (one for one in found if (one.family, one.type) == (socket.AF_UNIX, socket.SOCK_SEQPACKET)),
            key=lambda one: one.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF),
        )
    finally:
        for one in found:
            one.close()
        os.close(process)


@pytest.mark.parametrize(
    ("head", "plan", "event"),
    [
        pytest.param(b"nonsense", b"", "job_unreadable", id="a-message-of-the-wrong-size"),
        pytest.param(MESSAGE.pack(0, 99, 1e9, 0), b"{}", "job_unreadable", id="a-plan-beyond-its-file"),
        pytest.param(MESSAGE.pack(0, 5, 1e9, 0), b"\0{[}]", "job_failed", id="a-plan-that-is-no-json"),
        pytest.param(MESSAGE.pack(0, 2, 1e9, 0), b"{}", "job_failed", id="a-plan-without-a-picture"),
    ],
)
def test_a_front_that_sends_an_unreadable_job_gets_an_error(
    server: Server, head: bytes, plan: bytes, event: str
) -> None:
    with queue_of(server) as queue, message(queue, head, plan) as reply:
        answer = reply()
    assert answer is not None
    assert not answer or from_wire(json.loads(answer)["error"]).code == "internal_error"
    wait_until(lambda: len(server.named(event)) == 1, "the log has it")


def test_messages_without_descriptors_are_ignored(server: Server) -> None:
    with queue_of(server) as queue:
        for _ in range(3):
            queue.send(MESSAGE.pack(0, 1, 1e9, 0))
    assert is_flipped(ask(server, post("/flip", PNG)))
    wait_until(lambda: len(server.named("job_unreadable")) == 3, "the log has them")


def test_a_job_that_does_not_fit_into_the_queue_is_answered_503(server: Server) -> None:
    with queue_of(server) as queue, contextlib.ExitStack() as stack:
        size = queue.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        queue.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        wires = [stack.enter_context(Wire(server)) for _ in range(12)]
        for wire in wires:
            # The long job is dear; the others wait in the queue of cheap ones.
            wire.send(post(LONG if wire is wires[0] else "/flip", PNG))
            if wire is wires[0]:
                wait_until(lambda: metric(server, "imgsrv_jobs_begun_total") == 2, "the engine is busy")
        wait_until(lambda: faults(server) != [], "one is refused")
        # The first is at work and others may wait; the last one came behind all of them.
        checked(server, wires[-1].answer(), 503, "out_of_resources", "no room for the job in the queue")
        queue.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size // 2)


def test_a_client_waits_for_a_silent_engine_no_longer_than_the_job_timeout() -> None:
    with serving("--workers=1", "--job-timeout-s=0.3") as server:
        began = time.monotonic()
        checked(server, ask(server, post(ENDLESS, PNG)), 504, "job_timeout", "--job-timeout-s")
        assert time.monotonic() - began < DEADLINE_S / 2


# ---- descriptors --------------------------------------------------------------------------------------


def next_descriptor(server: Server) -> int:
    """The number above all open descriptors."""
    return max(int(entry.name) for entry in Path(f"/proc/{the_worker(server)}/fd").iterdir()) + 1


@contextlib.contextmanager
def descriptors_left(server: Server, count: int, clients: int = 0) -> Iterator[Wire]:
    """A connection to a worker that has this many idle clients and can open only this many more descriptors."""
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server)) for _ in range(1 + clients)]
        for wire in wires:
            wire.send(HEALTH)
            assert wire.answer().status == 200
        with limited(server, resource.RLIMIT_NOFILE, next_descriptor(server) + count):
            yield wires[0]


def test_without_a_descriptor_for_a_picture_the_answer_is_503_and_the_connection_stays(
    server: Server,
) -> None:
    with Wire(server) as other, descriptors_left(server, 0) as wire:
        other.send(post("/flip", PNG)[:-1])
        # The first one has the file that is kept for bodies; the second needs another.
        for _ in range(2):
            wire.send(post("/flip", PNG))
            answer = wire.answer()
            checked(server, answer, 503, "out_of_resources", "Too many open files")
            assert not answer.closes
    with Wire(server) as wire:
        wire.send(post("/flip", PNG))
        assert is_flipped(wire.answer())


def test_without_a_descriptor_for_a_form_the_answer_is_503(server: Server) -> None:
    body = b'--XX\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + PNG + b"\r\n--XX--\r\n"
    with descriptors_left(server, 0) as wire:
        wire.send(post("/flip", body, FORM))
        checked(server, wire.answer(), 503, "out_of_resources", "Too many open files")


def test_without_a_descriptor_for_a_client_the_answer_is_503_and_other_clients_are_served(server: Server) -> None:
    with descriptors_left(server, FOR_REPLIES + 4, clients=4 * FOR_BODIES) as wire:
        answer = ask(server, post("/flip", PNG))
        checked(server, answer, 503, "out_of_resources", "no room for another connection")
        assert answer.closes
        wire.send(post("/flip", PNG))
        assert is_flipped(wire.answer())


def test_a_worker_that_cannot_accept_does_not_spin(server: Server) -> None:
    with descriptors_left(server, 0) as wire:
        worker = psutil.Process(the_worker(server))
        before = sum(worker.cpu_times()[:2])
        for _ in range(20):
            with contextlib.suppress(ConnectionError, EOFError), Wire(server) as refused:
                refused.send(HEALTH)
                refused.answer()
        time.sleep(0.3)
        assert sum(worker.cpu_times()[:2]) - before < 0.2
        wire.send(HEALTH)
        assert wire.answer().status == 200
    assert ask(server, HEALTH).status == 200


# ---- memory -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_of",
    [
        pytest.param(lambda body: post("/flip", body), id="announced"),
        pytest.param(lambda body: head("/flip", "Transfer-Encoding: chunked") + chunked([body] * 2), id="chunked"),
        pytest.param(lambda body: post("/flip", body, FORM), id="form"),
    ],
)
@pytest.mark.parametrize("size", [1, 100_000, 299_990], ids=["at-once", "in-the-middle", "at-the-end"])
def test_without_memory_for_a_body_the_answer_is_503(server: Server, request_of: object, size: int) -> None:
    assert callable(request_of)
    with limited(server, resource.RLIMIT_FSIZE, size), Wire(server) as wire:
        wire.send(request_of(b"x" * 300_000))
        answer = wire.answer()
        checked(server, answer, 503, "out_of_resources", "no room for the body (File too large)")
        if answer.closes:
            wire.half_close()
            assert wire.ends()
        else:
            wire.send(HEALTH)
            assert wire.answer().status == 200


def test_without_memory_for_a_plan_the_answer_is_503_and_the_connection_stays(server: Server) -> None:
    body = noise(100)
    with Wire(server) as wire:
        with limited(server, resource.RLIMIT_FSIZE, len(body) + 10):
            wire.send(post("/flip", body))
            answer = wire.answer()
            checked(server, answer, 503, "out_of_resources", "no room for the body")
            assert not answer.closes
        wire.send(post("/flip", PNG))
        assert is_flipped(wire.answer())


def test_without_memory_for_a_result_the_answer_is_503(server: Server) -> None:
    with limited(server, resource.RLIMIT_FSIZE, 50_000):
        answer = ask(server, post("/resize?width=1000&enlarge=true&format=bmp", PNG))
        checked(server, answer, 503, "out_of_resources", "no room for the result (File too large)")
    wait_until(lambda: len(server.named("reply_not_sent")) == 1, "the log says where")


def test_without_memory_for_a_picture_the_answer_is_503(server: Server) -> None:
    large = encoded(picture("R").resize((9000, 9000)))
    memory_now = psutil.Process(the_worker(server)).memory_info().vms
    with limited(server, resource.RLIMIT_AS, memory_now + 100_000_000):
        for target, body in (("/flip", large), (LARGE, PNG)):
            answer = ask(server, post(target, body))
            assert answer.status in (500, 503), answer.body
            checked(server, answer, answer.status, answer.code)
        assert is_flipped(ask(server, post("/flip", PNG)))


def test_faults_leave_no_descriptor_behind(server: Server) -> None:
    body = noise(100)

    def descriptors() -> int:
        return len(list(Path(f"/proc/{the_worker(server)}/fd").iterdir()))

    before = descriptors()
    for _ in range(20):
        with limited(server, resource.RLIMIT_FSIZE, len(body) // 2):
            assert ask(server, post("/flip", body)).status == 503
        with limited(server, resource.RLIMIT_FSIZE, len(body) + 10):
            assert ask(server, post("/flip", body)).status == 503
    wait_until(lambda: descriptors() <= before + 1, f"{descriptors()} are {before} again")

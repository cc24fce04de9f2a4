"""The whole server is killed, stopped and started while it processes real pictures."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial

import httpx
import psutil
import pytest
from load import loading
from pictures import SAMPLES
from serving import Server, serving, wait_until
from wire import HEALTH, Wire, ask, head, metric, post

from imgsrv.cli._control_client import ask as command
from imgsrv.pool.control.instances import Place
from imgsrv.pool.listen.tcp import TcpListener

pytestmark = pytest.mark.slow

PICTURE = (SAMPLES / "coffee.jpg").read_bytes()

SLOW = post("/pipeline?format=avif&effort=7", PICTURE)
"""A request that an engine works on for a second or more."""

VERY_SLOW = post("/pipeline?ops=resize:width=5000,enlarge=true" + "/blur:sigma=3.9" * 30, PICTURE)
"""Half a minute of work."""

UNFINISHED = head("/resize?width=300", "Content-Length: 1000") + b"a first part"


def wait_for(server: Server, event: str, count: int = 1) -> None:
    wait_until(lambda: len(server.named(event)) >= count, f"{count} times {event}")


def wait_replaced(server: Server, deaths: int = 0) -> None:
    """Return when at least this many workers have died and two are ready."""

    def is_complete() -> bool:
        ready = {event["pid"] for event in server.named("worker_ready")}
        dead = {event["pid"] for event in server.named("worker_exit")}
        return len(dead) >= deaths and len(ready - dead) == 2 and sorted(ready - dead) == server.workers()

    wait_until(is_complete, "both workers are there")


def ports_of(pid: int) -> set[int]:
    """The clients' ports of the connections of a worker."""
    connections = psutil.Process(pid).net_connections("tcp")
    return {each.raddr.port for each in connections if each.status == psutil.CONN_ESTABLISHED}


def is_stopped(pid: int) -> bool:
    return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)


def cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def busy_worker(server: Server) -> int:
    """The worker whose engine works."""
    before = {pid: cpu_s(pid) for pid in server.workers()}

    def busiest() -> int:
        return max(before, key=lambda pid: cpu_s(pid) - before[pid])

    wait_until(lambda: cpu_s(busiest()) - before[busiest()] > 0.1, "one works")
    return busiest()


def at_work(server: Server) -> set[int]:
    """The workers whose engines have a job."""
    workers = command(Place(server.folder, "default"), "status")["workers"]
    return {worker["pid"] for worker in workers if worker["job"] is not None}


# ---- a worker dies ----------------------------------------------------------------------------------------


def test_a_killed_worker_is_replaced_within_a_second_and_the_other_serves_on() -> None:
    with serving("--workers", "2") as server:
        dying, other = server.workers()
        os.kill(dying, signal.SIGKILL)
        wait_until(lambda: len(server.named("worker_ready")) == 3, "it is replaced", deadline_s=3)
        assert server.named("worker_exit")[0]["reason"] == "killed by SIGKILL"
        pids = server.workers()
        assert other in pids
        assert dying not in pids
        assert ask(server, HEALTH).status == 200


def test_only_what_the_killed_worker_held_fails_under_load() -> None:
    with serving("--workers", "2") as server, loading(server, keep_alive=8, fresh=0) as load:
        held: set[int] = set()
        for deaths, slot in enumerate((0, 1), start=1):
            load.wait_more(5)
            dying = server.named("worker_ready")[slot]["pid"]
            os.kill(dying, signal.SIGSTOP)  # so that nothing changes hands between the look and the end
            wait_until(partial(is_stopped, dying), "it stands still")
            held |= ports_of(dying)
            os.kill(dying, signal.SIGKILL)
            wait_replaced(server, deaths)
        load.wait_more(5)
        dropped = sorted(outcome.port for outcome in load.failures if outcome.error)
        answered = [outcome for outcome in load.failures if outcome.answer is not None]
        # One request of each connection: each client had one under way, or found out with its next.
        assert dropped == sorted(held)
        assert {(outcome.answer.status, outcome.answer.code) for outcome in answered if outcome.answer} <= {
            (500, "worker_lost")
        }
        assert len(answered) <= 2  # an engine has one job at a time


def test_a_job_that_the_killed_worker_had_of_another_front_is_answered_500_worker_lost() -> None:
    # Of three engines two take such dear jobs.
    with serving("--workers", "3") as server, contextlib.ExitStack() as wires:
        first = wires.enter_context(Wire(server))
        first.send(VERY_SLOW)
        busy = busy_worker(server)
        wire = wires.enter_context(Wire(server))
        while server.front_of(wire.socket) != busy:
            wire = wires.enter_context(Wire(server))
        # This front's own engine is busy: another one takes the job.
        wire.send(VERY_SLOW)
        wait_until(lambda: metric(server, "imgsrv_jobs_begun_total") == 2, "both work")
        (other,) = at_work(server) - {busy}
        os.kill(other, signal.SIGKILL)
        answer = wire.answer()
        assert (answer.status, answer.code) == (500, "worker_lost")
        assert busy in server.workers()


def test_two_hundred_random_signals_leave_the_server_serving() -> None:
    with serving("--workers", "2") as server:
        choose = random.Random(20)  # noqa: S311  the same signals every time
        signals = [signal.SIGKILL] * 6 + [choose.choice((signal.SIGHUP, signal.SIGCHLD)) for _ in range(194)]
        choose.shuffle(signals)
        for signum in signals:
            if signum == signal.SIGKILL:
                with contextlib.suppress(ProcessLookupError, IndexError):
                    os.kill(choose.choice(server.workers()), signum)
            else:
                server.signal(signum)
                for pid in server.workers():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signum)
        wait_replaced(server)
        assert ask(server, post("/resize?width=300", PICTURE)).status == 200
        assert all(child.status() != psutil.STATUS_ZOMBIE for child in psutil.Process(server.pid).children())
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0


def test_a_dead_worker_leaves_no_zombie() -> None:
    with serving("--workers", "2") as server:
        dead = server.workers()[0]
        os.kill(dead, signal.SIGKILL)
        wait_replaced(server, 1)
        assert not psutil.pid_exists(dead)


def test_replacing_workers_under_load_loses_no_request() -> None:
    with serving("--workers", "2", "--max-jobs-per-worker", "15") as server:
        with loading(server, keep_alive=4, fresh=4) as load:
            wait_for(server, "worker_replaced", 6)
            wait_until(lambda: len(server.named("worker_exit")) >= 5, "the replaced ones go")
            load.wait_more(5)
        assert load.failures == []
        assert {each["reason"] for each in server.named("worker_replaced")} == {"jobs"}
        assert {each["reason"] for each in server.named("worker_exit")} == {"exit status 0"}


# ---- the server is stopped --------------------------------------------------------------------------------


def test_a_stop_under_load_answers_every_request_that_was_sent() -> None:
    with serving("--workers", "2") as server, loading(server, keep_alive=4, fresh=4) as load:
        load.wait_more(5)
        server.signal(signal.SIGTERM)
        load.join()
        assert server.wait_exit() == 0
        assert load.failures == []
        last = [client.outcomes[-1].answer for client in load.clients if client.keeps_connection]
        assert all(answer is not None and answer.closes for answer in last)


def test_connections_in_the_accept_queue_are_served_before_the_end() -> None:
    with serving("--workers", "2") as server, contextlib.ExitStack() as wires:
        for pid in server.workers():
            os.kill(pid, signal.SIGSTOP)
        waiting = [wires.enter_context(Wire(server)) for _ in range(12)]
        for wire in waiting:
            wire.send(post("/resize?width=300", PICTURE))
        server.signal(signal.SIGTERM)
        wait_for(server, "stopping")
        for pid in server.workers():
            os.kill(pid, signal.SIGCONT)
        assert [wire.answer().status for wire in waiting] == [200] * 12
        assert server.wait_exit() == 0


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_signal_to_the_whole_process_group_drains(signum: signal.Signals) -> None:
    # setsid becomes the program it starts, in a group of its own.
    with serving("--workers", "2", program=["setsid", sys.executable, "-m", "imgsrv"]) as server, Wire(server) as wire:
        wire.send(SLOW)
        busy_worker(server)
        os.killpg(server.pid, signum)
        answer = wire.answer()
        assert (answer.status, answer.closes) == (200, True)
        assert server.wait_exit() == 0


@pytest.fixture
def unfinished() -> Iterator[tuple[Server, Wire]]:
    """A server that has received a first SIGTERM, and a client that keeps it from ending."""
    with serving("--workers", "2") as server, Wire(server) as wire:
        wire.send(UNFINISHED)
        wait_until(lambda: wire.local_port in set().union(*map(ports_of, server.workers())), "it is accepted")
        server.signal(signal.SIGTERM)
        wait_for(server, "stopping")
        yield server, wire


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_second_signal_stops_at_once(unfinished: tuple[Server, Wire], second: signal.Signals) -> None:
    server, _wire = unfinished
    workers = server.workers()
    server.signal(second)
    assert server.wait_exit(deadline_s=5) == 1
    assert not any(map(psutil.pid_exists, workers))


def test_a_client_that_never_finishes_delays_the_end_only_to_the_drain_limit() -> None:
    with serving("--workers", "2", "--drain-s", "0.5") as server, Wire(server) as wire:
        wire.send(UNFINISHED)
        wait_until(lambda: wire.local_port in set().union(*map(ports_of, server.workers())), "it is accepted")
        server.signal(signal.SIGTERM)
        assert server.wait_exit(deadline_s=5) == 1
        assert {exit_["reason"] for exit_ in server.named("worker_exit")} == {"exit status 0", "exit status 4"}


def test_a_worker_that_does_not_react_is_killed_after_the_drain_limit() -> None:
    with serving("--workers", "2", "--drain-s", "0.2") as server:
        os.kill(server.workers()[0], signal.SIGSTOP)
        server.signal(signal.SIGTERM)
        assert server.wait_exit(deadline_s=6) == 1
        assert {exit_["reason"] for exit_ in server.named("worker_exit")} == {"exit status 0", "killed by SIGKILL"}


def test_the_drain_limit_begins_after_the_shutdown_delay() -> None:
    with serving("--workers", "2", "--shutdown-delay-s", "2", "--drain-s", "1") as server, Wire(server) as idle:
        idle.send(HEALTH)
        assert idle.answer().status == 200
        server.signal(signal.SIGTERM)
        wait_until(lambda: ask(server, head("/readyz", method="GET")).status == 503, "it says that it will go")
        # Two seconds after the signal, when a limit of one that began with it would long be over.
        assert idle.ends()
        assert server.wait_exit() == 0


def start_and_stop(delay_s: float, results: list[tuple[int, list[int]]]) -> None:
    server = Server("--workers", "2")
    try:
        wait_until(lambda: server.workers() != [], "it forks")
        # The moment of the signal is what is varied here.
        threading.Event().wait(delay_s)
        workers = server.workers()
        server.signal(signal.SIGTERM)
        status = server.wait_exit()
        announced = [event["event"] for event in server.events]
        assert "serving" not in announced[announced.index("stopping") :]
        results.append((status, [pid for pid in workers if psutil.pid_exists(pid)]))
    finally:
        server.stop()


def test_a_stop_at_any_moment_between_fork_and_ready_leaves_no_orphan() -> None:
    delays = [random.Random(number).uniform(0, 0.08) for number in range(20)]  # noqa: S311  the same every time
    results: list[tuple[int, list[int]]] = []
    threads = [threading.Thread(target=start_and_stop, args=(delay, results)) for delay in delays]
    for several in (threads[start : start + 4] for start in range(0, 20, 4)):
        for thread in several:
            thread.start()
        for thread in several:
            thread.join()
    assert results == [(0, [])] * 20


# ---- the master dies --------------------------------------------------------------------------------------


def test_workers_finish_their_requests_and_end_when_the_master_is_killed() -> None:
    with serving("--workers", "2") as server, Wire(server) as wire:
        workers, port = server.workers(), server.port
        wire.send(SLOW)
        busy_worker(server)
        server.signal(signal.SIGKILL)
        answer = wire.answer()
        assert (answer.status, answer.closes) == (200, True)
        wait_until(lambda: not any(map(psutil.pid_exists, workers)), "the workers go")
        with TcpListener("127.0.0.1", port, 1) as listener:
            assert listener.port == port


# ---- starting ---------------------------------------------------------------------------------------------


def test_a_second_server_on_the_port_is_refused_and_says_so() -> None:
    with serving("--workers", "1") as server:
        second = subprocess.run(
            [sys.executable, "-m", "imgsrv", "serve", "--port", str(server.port)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 2
        assert second.stderr == (
            f"imgsrv: cannot listen on 127.0.0.1:{server.port}: another process already listens there; "
            "stop it or choose another --port\n"
        )
        assert ask(server, HEALTH).status == 200


def test_port_0_serves_on_a_free_port() -> None:
    with serving("--workers", "1") as server:
        assert server.named("serving")[0]["url"] == f"http://127.0.0.1:{server.port}"
        assert ask(server, HEALTH).status == 200


def test_process_titles_name_the_role_of_each_process() -> None:
    with serving("--workers", "2") as server:
        where = f"127.0.0.1:{server.port}"
        titles = [psutil.Process(pid).cmdline()[0] for pid in (server.pid, *server.workers())]
        assert titles == [
            f"imgsrv: master {where}",
            f"imgsrv: worker 0 {where}",
            f"imgsrv: worker 1 {where}",
        ]


def test_an_ipv6_address_serves() -> None:
    with serving("--workers", "1", "--host", "::1") as server:
        url = server.named("serving")[0]["url"]
        assert url == f"http://[::1]:{server.port}"
        assert httpx.get(f"{url}/healthz").status_code == 200


# ---- a job that does not end ----------------------------------------------------------------------------


def test_a_worker_whose_job_outlasts_its_deadline_is_replaced_and_others_are_served() -> None:
    endless = "/pipeline?ops=resize:width=9000,enlarge=true&format=avif&effort=9"
    with serving("--workers", "1", "--max-job-cost-s=86400", "--job-timeout-s", "0.5") as server:
        (hung,) = server.workers()
        timed_out = httpx.post(server.url + endless, content=PICTURE, timeout=30)
        wait_until(lambda: len(server.named("worker_ready")) == 2, "its worker is replaced")
        after = httpx.post(f"{server.url}/info", content=PICTURE, timeout=30)

        assert (timed_out.status_code, timed_out.json()["code"]) == (504, "job_timeout")
        (replaced,) = server.named("worker_replaced")
        assert (replaced["pid"], replaced["reason"]) == (hung, "hang")
        assert replaced["pipeline"].startswith("resize:width=9000")
        assert after.status_code == 200
        wait_until(lambda: hung not in server.workers(), "it goes")


def test_a_drain_does_not_wait_for_a_job_without_a_client() -> None:
    endless = "/pipeline?ops=resize:width=9000,enlarge=true&format=avif&effort=9"
    with serving("--workers", "1", "--max-job-cost-s=86400", "--job-timeout-s", "0.5", "--drain-s", "60") as server:
        httpx.post(server.url + endless, content=PICTURE, timeout=30)
        server.signal(signal.SIGTERM)

        assert server.wait_exit(deadline_s=10) == 0

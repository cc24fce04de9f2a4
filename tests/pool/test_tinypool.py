"""The master with workers that misbehave, as real processes with real signals and a front for lines of text."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from serving import Server, serving, wait_until
from tinypool import JOB_LIMIT_S, MEAL_BYTES

from imgsrv.observe.processes import proportional_bytes
from imgsrv.pool.slot import MAX_BOOT_FAILURES
from imgsrv.pool.supervise.steer import SUSPENDED_S

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).parents[1] / "support" / "tinypool.py"


def command(scenario: str) -> list[str]:
    return [sys.executable, str(PROGRAM), scenario]


@contextlib.contextmanager
def tinypool(scenario: str = "all_well") -> Iterator[Server]:
    with serving(program=command(scenario)) as server:
        yield server


def send(server: Server, line: str) -> socket.socket:
    client = server.connect()
    client.sendall(line.encode() + b"\n")
    return client


def answer(client: socket.socket) -> list[str]:
    with client, client.makefile() as lines:
        return lines.readline().split()


def ask(server: Server, line: str = "0") -> list[str]:
    return answer(send(server, line))


def wait_for(server: Server, event: str, count: int = 1) -> None:
    wait_until(lambda: len(server.named(event)) >= count, f"{count} times {event}")


def wait_for_failure(server: Server) -> None:
    wait_until(lambda: any(each["next"] == "failed" for each in server.named("worker_exit")), "a slot fails")


# ---- booting ----------------------------------------------------------------------------------------------


def test_a_slot_that_cannot_boot_is_given_up_while_the_other_serves() -> None:
    with tinypool("slot_1_fails") as server:
        wait_for_failure(server)
        exits = server.named("worker_exit")
        assert [exit_["slot"] for exit_ in exits] == [1] * MAX_BOOT_FAILURES
        assert [exit_["next"] for exit_ in exits] == [*["backoff"] * (MAX_BOOT_FAILURES - 1), "failed"]
        (pid,) = server.workers()
        assert [ask(server) for _ in range(30)] == [[str(pid), str(pid)]] * 30
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0


def test_a_slot_that_was_given_up_counts_as_missing() -> None:
    with tinypool("slot_1_fails") as server:
        wait_for_failure(server)
        assert ask(server, "board") == ["READY", "GONE"]


def test_the_pool_announces_that_it_serves_even_if_the_last_slot_fails() -> None:
    with tinypool("slot_1_fails_last") as server:
        assert len(server.named("serving")) == 1


def test_a_boot_that_hangs_is_ended_and_the_other_slot_serves() -> None:
    with tinypool("slot_1_hangs") as server:
        assert server.named("worker_exit")[0]["reason"] == "killed by SIGKILL"
        assert len(set(ask(server))) == 1


def test_a_pool_without_a_worker_that_boots_logs_the_reason_and_ends() -> None:
    server = Server(program=command("all_fail"))
    try:
        assert server.wait_exit() == 1
        assert server.other_lines == ["no worker can start: RuntimeError: no codec\n"]
    finally:
        server.stop()


def test_a_failed_fork_is_tried_again() -> None:
    with tinypool("forks_are_refused") as server:
        assert len(server.named("fork_failed")) == 3
        wait_for(server, "worker_ready", 2)


# ---- dying ------------------------------------------------------------------------------------------------


def test_the_front_answers_the_job_of_a_dead_engine() -> None:
    with tinypool() as server, contextlib.ExitStack() as clients:
        front = engine = 0
        while front == engine:
            begun = len(server.named("job"))
            client = clients.enter_context(send(server, "3"))
            wait_for(server, "job", begun + 1)
            front, engine = server.front_of(client), server.named("job")[-1]["pid"]
        os.kill(engine, signal.SIGKILL)
        assert answer(client) == [str(front), "worker_lost"]


def test_a_worker_whose_engine_fails_is_replaced() -> None:
    with tinypool() as server:
        assert ask(server, "leave")[1] == "worker_lost"
        wait_for(server, "worker_exit")
        (lost,) = server.named("worker_exit")
        assert (lost["pid"], lost["reason"]) == (server.named("job")[0]["pid"], "exit status 1")
        wait_for(server, "worker_ready", 3)
        assert ask(server)[0] in map(str, server.workers())


@pytest.mark.parametrize("what", ["scribble", "scribble all"])
def test_a_worker_that_writes_nonsense_on_the_scoreboard_ends_only_itself(what: str) -> None:
    with tinypool() as server:
        with send(server, what):
            wait_for(server, "worker_exit")
            wait_for(server, "worker_ready", 3)
        # If the master saw the nonsense before the death, the successor has another row.
        assert [state for state in ask(server, "board") if state != "GONE"] == ["READY", "READY"]
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0


def test_a_worker_that_says_what_no_worker_says_is_ended_and_replaced() -> None:
    with tinypool() as server:
        with send(server, "babble"):
            wait_for(server, "worker_talks_nonsense")
            wait_for(server, "worker_ready", 3)
        (found,) = server.named("worker_talks_nonsense")
        assert found["message"] == r"b'\x1b[2J ready?'"
        assert found["pid"] not in server.workers()


def test_a_signal_without_a_name_does_not_end_the_master() -> None:
    with tinypool() as server:
        os.kill(server.workers()[0], 40)
        wait_for(server, "worker_ready", 3)
        assert server.named("worker_exit")[0]["reason"] == "killed by signal 40"


def test_the_master_has_as_many_descriptors_after_twenty_deaths_as_before() -> None:
    with tinypool("hasty") as server:
        master = psutil.Process(server.pid)
        before = master.num_fds()
        for deaths in range(20):
            os.kill(server.workers()[deaths % 2], signal.SIGKILL)
            wait_for(server, "worker_ready", deaths + 3)
        assert master.num_fds() == before


def test_a_worker_has_as_many_descriptors_as_the_one_that_it_replaces() -> None:
    def descriptors() -> list[int]:
        return [psutil.Process(pid).num_fds() for pid in server.workers()]

    with tinypool("hasty") as server:
        before = descriptors()
        for deaths in range(10):
            os.kill(server.workers()[0], signal.SIGKILL)
            wait_for(server, "worker_ready", deaths + 3)
        assert max(descriptors()) <= max(before)


def test_workers_notice_a_dead_master_by_the_closed_line_alone() -> None:
    with tinypool("without_death_signal") as server:
        workers = server.workers()
        client = send(server, "0.3")
        wait_for(server, "job")
        server.signal(signal.SIGKILL)
        assert len(answer(client)) == 2
        wait_until(lambda: not any(map(psutil.pid_exists, workers)), "the workers go")


# ---- being replaced ---------------------------------------------------------------------------------------


def crowd(server: Server, first: int, count: int) -> list[socket.socket]:
    """Idle connections to one worker."""
    clients = list[socket.socket]()
    while len(clients) < count:
        client = server.connect()
        if server.front_of(client) == first:
            clients.append(client)
        else:
            client.close()
    return clients


def order(server: Server, *events: str) -> list[tuple[str, int]]:
    """The named events with their workers, in the order of the log."""
    return [(event["event"], event["pid"]) for event in list(server.events) if event["event"] in events]


@pytest.mark.parametrize("job", ["sleep", "hold"], ids=["without-the-lock", "with-the-lock"])
def test_a_worker_whose_engine_hangs_is_replaced_and_the_clients_of_other_fronts_are_served(job: str) -> None:
    with tinypool("hangs") as server, contextlib.ExitStack() as clients:
        client = clients.enter_context(send(server, job))
        wait_for(server, "job")
        hung, front = server.named("job")[0]["pid"], server.front_of(client)
        (other,) = set(server.workers()) - {hung}
        waiting = [clients.enter_context(each) for each in crowd(server, other, 4)]
        for each in waiting:
            each.sendall(b"0.1\n")
        fronts, engines = zip(*map(answer, waiting), strict=True)
        assert set(fronts) == {str(other)}
        assert str(hung) not in engines
        if not (job == "hold" and front == hung):
            assert answer(client) == [str(front), "job_timeout"]
        wait_for(server, "worker_ready", 3)
        wait_for(server, "worker_exit")
        assert not psutil.pid_exists(hung)
        assert [(each["pid"], each["reason"]) for each in server.named("worker_replaced")] == [(hung, "hang")]
        # The process is gone as soon as it is reaped; what is logged of it comes a little later.
        wait_for(server, "worker_exit")
        (exit_,) = server.named("worker_exit")
        assert exit_["reason"] == ("killed by SIGKILL" if job == "hold" else "exit status 0")
        assert {ask(server)[0] for _ in range(40)} == set(map(str, server.workers()))


def test_a_master_that_was_suspended_does_not_kill_workers_that_were_suspended_too() -> None:
    with tinypool("hangs") as server, contextlib.ExitStack() as clients:
        client = clients.enter_context(send(server, "3"))
        wait_for(server, "job")
        workers = server.workers()
        everybody = [server.pid, *workers]
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        # Past the job's deadline, the grace behind it, and a turn of the master.
        time.sleep(max(JOB_LIMIT_S, SUSPENDED_S) + 1)
        for pid in everybody:
            os.kill(pid, signal.SIGCONT)
            if pid == server.pid:
                wait_for(server, "suspended")
        # Its time is over by the clock that went on; whichever it is told, it is told by the same workers.
        assert answer(client)[1] in {"job_timeout", *map(str, workers)}
        assert set(ask(server)) <= set(map(str, workers))
        assert server.named("worker_replaced") == server.named("worker_exit") == []


def test_a_master_that_was_suspended_for_a_moment_takes_nobody_for_dead_who_was_suspended_with_it() -> None:
    with tinypool("watched") as server:
        everybody = [server.pid, *server.workers()]
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        # Longer than the limit of silence, and shorter than what the master calls a suspension.
        time.sleep(SUSPENDED_S - 1)
        for pid in everybody:
            os.kill(pid, signal.SIGCONT)
        assert len({ask(server)[0] for _ in range(30)}) == 2
        assert server.named("worker_replaced") == server.named("suspended") == []


def test_a_front_that_is_silent_because_a_job_holds_the_interpreter_is_not_ended_before_the_jobs_deadline() -> None:
    with tinypool("watched") as server, contextlib.ExitStack() as clients:
        clients.enter_context(send(server, "hold"))
        wait_for(server, "worker_not_responding")
        # Its listener gets no new connection.
        assert {ask(server)[0] for _ in range(10)} < set(map(str, server.workers()))
        wait_for(server, "worker_replaced")
        assert [each["reason"] for each in server.named("worker_replaced")] == ["hang"]


def test_a_worker_that_is_stopped_loses_its_new_connections_to_others_and_is_replaced() -> None:
    with tinypool("watched") as server:
        stopped, other = server.workers()
        os.kill(stopped, signal.SIGSTOP)
        waiting = [send(server, "0") for _ in range(12)]
        wait_for(server, "worker_not_responding")
        asked = {ask(server)[0] for _ in range(20)}
        assert str(other) in asked
        assert str(stopped) not in asked
        (silent,) = server.named("worker_not_responding")
        assert (silent["pid"], silent["part"]) == (stopped, "front")
        wait_for(server, "worker_ready", 3)
        # Those that waited in the queue of the stopped worker are served by its successor.
        assert {answer(client)[0] for client in waiting} <= set(map(str, server.workers())) - {str(stopped)}
        wait_for(server, "worker_exit")
        assert [each["reason"] for each in server.named("worker_replaced")] == ["silent"]
        assert [each["pid"] for each in server.named("worker_exit")] == [stopped]


def test_other_engines_serve_the_clients_of_a_front_whose_engine_hangs() -> None:
    with tinypool("hangs") as server, contextlib.ExitStack() as clients:
        clients.enter_context(send(server, "sleep"))
        wait_for(server, "job")
        hung = server.named("job")[0]["pid"]
        (other,) = set(server.workers()) - {hung}
        idle = [clients.enter_context(each) for each in crowd(server, hung, 4)]
        wait_for(server, "worker_replaced")
        for each in idle:
            each.sendall(b"0.1\n")
        fronts, engines = zip(*map(answer, idle), strict=True)
        assert set(fronts) == {str(hung)}
        assert str(hung) not in engines
        assert str(other) in engines


def test_workers_at_their_job_limit_are_replaced_one_at_a_time_after_the_successor_is_ready() -> None:
    with tinypool("few_jobs") as server:
        first = server.workers()
        while len(server.named("worker_exit")) < 4:
            pids = ask(server)
            assert len(pids) == 2
            assert all(map(str.isdigit, pids))
        assert {each["reason"] for each in server.named("worker_replaced")} == {"jobs"}
        lives = order(server, "worker_replaced", "worker_ready", "worker_exit")[2:]
        for (_, old), (ready, new), (exit_, gone) in zip(lives[0:12:3], lives[1:12:3], lives[2:12:3], strict=True):
            assert (ready, exit_, gone) == ("worker_ready", "worker_exit", old)
            assert new != old
        assert not set(first) & set(server.workers())


def test_a_worker_above_the_memory_limit_is_replaced() -> None:
    with tinypool("meals") as server:
        _front, eater = map(int, ask(server, "eat"))
        wait_for(server, "worker_exit")
        assert [(each["pid"], each["reason"]) for each in server.named("worker_replaced")] == [(eater, "memory")]
        assert [event for event, _pid in order(server, "worker_replaced", "worker_ready", "worker_exit")[2:]] == [
            *("worker_replaced", "worker_ready", "worker_exit")
        ]


def test_if_a_successor_cannot_boot_the_worker_serves_on() -> None:
    with tinypool("successors_fail") as server:
        first = server.workers()
        while len(server.named("worker_exit")) < 3:
            assert set(map(int, ask(server))) <= set(first)
        assert {each["next"] for each in server.named("worker_exit")} == {"ready"}
        assert not set(first) & {each["pid"] for each in server.named("worker_exit")}


def test_a_stop_while_a_successor_boots_ends_all_workers() -> None:
    with tinypool("few_jobs") as server:
        while not server.named("worker_replaced"):
            ask(server)
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0


def test_shared_memory_counts_in_part() -> None:
    shared = b"x" * MEAL_BYTES
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(read_end, 1)
        os._exit(len(shared) > 0)
    try:
        size = proportional_bytes(pid)
        assert size is not None
        assert 0 < size < 0.8 * psutil.Process(pid).memory_info().rss
    finally:
        os.write(write_end, b"!")
        os.waitpid(pid, 0)
        os.close(read_end)
        os.close(write_end)
    assert proportional_bytes(pid) is None


# ---- stopping ---------------------------------------------------------------------------------------------


def test_every_engine_works_until_the_last_client_has_its_answer() -> None:
    with tinypool() as server:
        clients = crowd(server, server.workers()[0], 8)
        for client in clients:
            client.sendall(b"0.2\n")
        wait_for(server, "job", 2)
        server.signal(signal.SIGTERM)
        engines = [answer(client)[1] for client in clients]
        assert server.wait_exit() == 0
        assert min(engines.count(pid) for pid in set(engines)) >= 3


def test_the_port_is_closed_to_new_clients_while_the_last_ones_are_served() -> None:
    with tinypool() as server:
        client = send(server, "1.5")
        wait_for(server, "job")
        server.signal(signal.SIGTERM)
        wait_until(lambda: is_refused(server), "new clients are refused")
        assert server.process.poll() is None
        assert len(answer(client)) == 2
        assert server.wait_exit() == 0


def is_refused(server: Server) -> bool:
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_failed_drain_gives_another_exit_status() -> None:
    with tinypool("drain_fails") as server:
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 1
        assert [event["exception"].splitlines()[-1] for event in server.named("worker_crashed")] == [
            "RuntimeError: a fault in the front"
        ] * 2


def test_a_stop_while_slots_wait_to_fork_ends_at_once() -> None:
    with tinypool("slot_1_fails") as server:
        server.signal(signal.SIGTERM)
        assert server.wait_exit(5) == 0


def test_a_stop_kills_a_worker_that_hangs_at_boot() -> None:
    server = Server(program=command("slot_1_hangs"))
    try:
        wait_for(server, "worker_ready")
        server.signal(signal.SIGTERM)
        wait_for(server, "stopping")
        server.signal(signal.SIGTERM)
        assert server.wait_exit(5) == 1
    finally:
        server.stop()


@pytest.mark.parametrize("target", ["one", "each"])
def test_a_worker_that_gets_sigterm_is_replaced_and_its_slot_accepts_new_clients(target: str) -> None:
    with tinypool("hasty") as server:
        told = server.workers()[: 1 if target == "one" else None]
        for pid in told:
            os.kill(pid, signal.SIGTERM)
        wait_for(server, "worker_ready", 2 + len(told))
        assert {exit_["reason"] for exit_ in server.named("worker_exit")} == {"exit status 0"}
        idle = set(map(str, server.workers()))

        def all_have_served() -> bool:
            idle.discard(ask(server)[0])
            return not idle

        wait_until(all_have_served, "both serve")

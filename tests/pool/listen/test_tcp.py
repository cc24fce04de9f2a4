"""Listening sockets: all slots share one port with nobody else, and their queues lose no connection."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from imgsrv.errors import CannotListen
from imgsrv.pool.listen.bpf import choose_one_of
from imgsrv.pool.listen.tcp import TcpListener, waiting_connections

HOSTS = [pytest.param("127.0.0.1", id="ipv4"), pytest.param("::1", id="ipv6")]


def listening(host: str = "127.0.0.1", port: int = 0) -> TcpListener:
    return TcpListener(host, port, backlog=128)


def connected(listener: TcpListener) -> socket.socket:
    return socket.create_connection(listener.for_slot(0).getsockname()[:2], timeout=5)


@contextlib.contextmanager
def trying(listener: TcpListener, host: str) -> Iterator[socket.socket]:
    """A connection that does not wait for its handshake."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        trial.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            trial.connect((host, listener.port))
        yield trial


def is_connected(trial: socket.socket) -> bool:
    with contextlib.suppress(OSError):
        trial.getpeername()
        return True
    return False


def queues(listener: TcpListener, slots: int) -> list[int]:
    return [waiting_connections(listener.for_slot(slot)) for slot in range(slots)]


# ---- the port belongs to one server -----------------------------------------------------------------------


@pytest.mark.parametrize("host", HOSTS)
def test_a_second_listener_on_the_port_is_refused(host: str) -> None:
    with listening(host) as first, pytest.raises(CannotListen, match="another process already listens there"):
        listening(host, first.port)


def test_of_several_processes_that_bind_the_port_at_once_one_gets_it() -> None:
    with listening() as found:
        port = found.port
    said, saying = os.pipe()
    waiting, going = os.pipe()
    pids = [fork_listener(port, waiting, going, saying) for _ in range(8)]
    os.close(going)  # now
    found_out = b"".join(os.read(said, 1) for _ in pids)
    assert sorted(found_out) == sorted(b"r" * 7 + b"l")
    # Who listens does so until all have tried.
    os.close(waiting)
    os.close(saying)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    os.close(said)


def fork_listener(port: int, waiting: int, going: int, saying: int) -> int:
    """A process that binds the port when all get the signal; it writes `l` if it listens and `r` if it is refused."""
    if (pid := os.fork()) == 0:
        try:
            os.close(going)
            os.read(waiting, 1)
            with listening(port=port) as listener:
                listener.for_slot(1)
                os.write(saying, b"l")
                signal.pause()
        except CannotListen:
            os.write(saying, b"r")
            signal.pause()
        finally:
            os._exit(1)
    return pid


def test_no_other_process_can_share_a_bound_port() -> None:
    with listening() as found:
        port = found.port
    with listening(port=port) as listener, contextlib.ExitStack() as clients:
        for _ in range(20):
            clients.enter_context(connected(listener))
        assert queues(listener, 1) == [20]


def test_a_port_on_which_another_program_listens_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        with pytest.raises(CannotListen) as raised:
            listening(port=foreign.getsockname()[1])
        assert "stop it or choose another --port" in str(raised.value)


def test_a_port_shared_by_another_program_with_reuseport_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as foreign, pytest.raises(CannotListen):
        listening(port=foreign.getsockname()[1])


def test_two_servers_can_have_the_same_port_on_different_addresses() -> None:
    with listening("127.0.0.1") as first, listening("127.0.0.2", first.port) as second:
        assert second.port == first.port


def test_an_address_of_no_interface_is_refused_and_the_setting_is_named() -> None:
    with pytest.raises(CannotListen, match="no interface of this machine has that address; choose another --host"):
        listening("192.0.2.1", 8000)


def test_a_name_that_is_no_address_is_refused_and_the_setting_is_named() -> None:
    with pytest.raises(CannotListen, match=r"host\.invalid is no address of this machine .* --host"):
        listening("host.invalid", 8000)


def test_an_ipv6_address_is_written_in_brackets() -> None:
    with pytest.raises(CannotListen, match=r"cannot listen on \[2001:db8::1\]:8000"):
        listening("2001:db8::1", 8000)


def lowest_free_port() -> int:
    return int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text(encoding="ascii"))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to have a privilege to lose")
@pytest.mark.skipif(lowest_free_port() <= 80, reason="no port is privileged here")
def test_a_privileged_port_is_refused_with_advice() -> None:
    read_end, write_end = os.pipe()
    # In a child: a user once changed is changed for good.
    pid = os.fork()
    if pid == 0:
        said = "it was not refused"
        try:
            os.setuid(65_534)
            listening(port=80)
        except CannotListen as error:
            said = str(error)
        finally:
            os.write(write_end, said.encode())
            os._exit(0)
    os.waitpid(pid, 0)
    told = os.read(read_end, 4096).decode()
    os.close(read_end)
    os.close(write_end)
    assert "ports below 1024 need privileges; choose a higher --port" in told


def test_a_refused_listener_leaves_no_descriptor_behind() -> None:
    with listening() as first:
        before = psutil.Process().num_fds()
        for _ in range(5):
            with pytest.raises(CannotListen):
                listening(port=first.port)
        assert psutil.Process().num_fds() == before


def test_closing_frees_the_port() -> None:
    with listening() as first:
        port = first.port
        first.for_slot(3)
    with listening(port=port) as second:
        assert second.port == port


# ---- one port, a socket for each slot --------------------------------------------------------------------


def test_port_0_takes_a_free_port_and_names_it() -> None:
    with listening() as listener:
        assert listener.port > 0
        assert listener.url == f"http://127.0.0.1:{listener.port}"


@pytest.mark.parametrize("host", HOSTS)
def test_every_slot_has_its_own_socket_on_the_one_port(host: str) -> None:
    with listening(host) as listener:
        sockets = [listener.for_slot(slot) for slot in (3, 1, 0, 2)]
        assert {each.getsockname()[1] for each in sockets} == {listener.port}
        assert len({each.fileno() for each in sockets}) == 4


def test_a_slot_keeps_its_socket() -> None:
    with listening() as listener:
        assert listener.for_slot(2) is listener.for_slot(2)


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        pytest.param("0.0.0.0", "127.0.0.1", id="every-ipv4-interface"),  # noqa: S104  on purpose
        pytest.param("::", "[::1]", id="every-interface"),
        pytest.param("::1", "[::1]", id="ipv6"),
    ],
)
def test_the_url_works_on_this_machine(host: str, shown: str) -> None:
    with listening(host) as listener:
        assert listener.url == f"http://{shown}:{listener.port}"


def test_a_worker_keeps_only_the_socket_of_its_slot() -> None:
    with listening() as listener:
        sockets = [listener.for_slot(slot) for slot in range(3)]
        listener.keep_only(1)
        assert [each.fileno() >= 0 for each in sockets] == [False, True, False]


# ---- steering ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", HOSTS)
def test_new_connections_go_only_to_the_chosen_slots(host: str) -> None:
    with listening(host) as listener, contextlib.ExitStack() as clients:
        listener.for_slot(3)
        listener.choose([1, 3])
        for _ in range(40):
            clients.enter_context(connected(listener))
        first, second, third, fourth = queues(listener, 4)
        assert (first, third) == (0, 0)
        assert second + fourth == 40
        assert min(second, fourth) > 5


def test_a_slot_that_serves_again_gets_connections_again() -> None:
    with listening() as listener, contextlib.ExitStack() as clients:
        listener.for_slot(1)
        listener.choose([0])
        listener.choose([1])
        clients.enter_context(connected(listener))
        assert queues(listener, 2) == [0, 1]


@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param([0, 1, 2, 3, 4, 5], id="all"),
        pytest.param([0, 2, 4], id="every-other"),
        pytest.param([0, 1, 3, 4], id="all-but-one"),
        pytest.param([5], id="the-last"),
    ],
)
def test_the_chosen_slots_share_all_connections_evenly(chosen: list[int]) -> None:
    with listening() as listener, contextlib.ExitStack() as clients:
        listener.for_slot(5)
        listener.choose(chosen)
        for _ in range(40 * len(chosen)):
            clients.enter_context(connected(listener))
        found = queues(listener, 6)
        assert [slot for slot, count in enumerate(found) if count] == chosen
        assert sum(found) == 40 * len(chosen)
        assert min(found[slot] for slot in chosen) > 10


def test_with_a_thousand_slots_connections_avoid_those_that_do_not_serve() -> None:
    program = list(choose_one_of([slot for slot in range(1024) if slot not in (3, 500)]))
    # The kernel takes 4096 steps, and on many machines memory for fewer.
    assert len(program) < 20


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to have a privilege to lose")
@pytest.mark.parametrize("host", [*HOSTS, pytest.param("::", id="both-families")])
def test_a_process_without_privileges_can_refuse_new_connections(host: str) -> None:
    with listening(host) as listener, connected(listener):
        pid = os.fork()
        # In a child: a user once changed is changed for good.
        if pid == 0:
            try:
                os.setresuid(65_534, 65_534, 65_534)
                listener.refuse_new(0)
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        with trying(listener, "127.0.0.1" if host == "::" else host) as trial:
            assert waiting_connections(listener.for_slot(0)) == 1
            assert not is_connected(trial)


def test_the_port_is_free_after_a_worker_closes_its_socket_even_if_clients_remain() -> None:
    with listening() as listener:
        listener.keep_only(0)
        listener.for_slot(0).close()
        listener.let_go()
        with listening(port=listener.port) as second:
            assert second.port == listener.port


def test_clients_in_the_queue_of_an_abandoned_slot_are_refused() -> None:
    with listening() as listener, connected(listener) as client:
        listener.turn_away(0)
        assert client.recv(1) == b""


@pytest.mark.parametrize("host", HOSTS)
def test_connections_in_the_queue_are_counted(host: str) -> None:
    with listening(host) as listener, contextlib.ExitStack() as clients:
        for _ in range(3):
            clients.enter_context(connected(listener))
        assert waiting_connections(listener.for_slot(0)) == 3


@pytest.mark.parametrize("host", HOSTS)
def test_connections_in_the_queue_can_be_accepted_and_used_after_new_ones_are_refused(host: str) -> None:
    with listening(host) as listener, connected(listener) as client:
        listener.refuse_new(0)
        accepted, _address = listener.for_slot(0).accept()
        with accepted:
            accepted.settimeout(5)
            client.sendall(b"question")
            assert accepted.recv(100) == b"question"
            accepted.sendall(b"answer")
            assert client.recv(100) == b"answer"


@pytest.mark.parametrize("host", HOSTS)
def test_a_queue_that_refuses_gets_no_new_connection(host: str) -> None:
    with listening(host) as listener:
        listener.refuse_new(0)
        with trying(listener, host) as trial:
            # On the loopback a handshake is over when connect returns: what is not in the queue now was dropped.
            assert waiting_connections(listener.for_slot(0)) == 0
            assert not is_connected(trial)

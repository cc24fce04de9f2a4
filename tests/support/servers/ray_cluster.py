"""A Ray cluster of this machine: a head and nodes with one core each, on loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec

import psutil
import pytest
from servers.ports import free_port
from serving import wait_until

START = "from ray.scripts.scripts import main; main()"

STORE_BYTES = 80_000_000
"""Of the shared memory of a node, about the least that Ray takes."""


HEALTH = {
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "3",
    "RAY_health_check_timeout_ms": "100000",
}
"""The head misses a node that was killed at once, as its port is closed, and one that is frozen for minutes not."""


class Node:
    """The processes of a node."""

    def __init__(self, arguments: Sequence[str], environment: dict[str, str], before: Sequence[str], code: str) -> None:
        quiet = {
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_memory_monitor_refresh_ms": "0",
            "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
            **HEALTH,
        }
        self._process = subprocess.Popen(
            [
                *(*before, sys.executable, "-c", code, "start", "--block", "--num-cpus=1", "--disable-usage-stats"),
                *("--node-ip-address=127.0.0.1", f"--object-store-memory={STORE_BYTES}", *arguments),
            ],
            env={**os.environ, **quiet, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def processes(self) -> list[psutil.Process]:
        """Everything that the node has started."""
        with contextlib.suppress(psutil.NoSuchProcess):
            top = psutil.Process(self._process.pid)
            return [top, *top.children(recursive=True)]
        return []

    def workers(self) -> list[psutil.Process]:
        """The processes that convert pictures."""
        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                if " ".join(process.cmdline()).startswith("ray::convert_pictures"):
                    found.append(process)
        return found

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def suspend(self, program: str = "") -> None:
        """Cut the node off: nothing of it moves, or nothing of one program of it."""
        self._signal(signal.SIGSTOP, program)

    def resume(self) -> None:
        """Let a node that was cut off go on where it was."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals, program: str = "") -> None:
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                if "".join(process.cmdline()[:1]).endswith(program):
                    process.send_signal(number)

    def kill(self) -> None:
        """End the node as a power cut would: every process at once."""
        found = self.processes()
        # Stopped first, so that none sees another one end and says goodbye.
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(found, timeout=30)
        self._process.wait()


class RayCluster:
    """A cluster with a head of one core."""

    def __init__(self, environment: dict[str, str], code: str = START) -> None:
        # Not imported here: it would start threads in the tests, and others fork.
        if find_spec("ray") is None:
            pytest.skip("the extra ray is not installed")
        # Ray makes sockets below it, whose paths are at most 107 bytes long.
        self._folder = tempfile.mkdtemp(prefix="r", dir="/tmp")
        self._environment = environment
        self.address = f"127.0.0.1:{free_port()}"
        self.nodes: list[Node] = []
        self._counter = subprocess.Popen(
            [sys.executable, "-c", COUNT, self.address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        port = self.address.rpartition(":")[2]
        self.head = self._started(
            Node(
                ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={self._folder}"],
                environment, (), code,
            )
        )  # fmt: skip
        self._wait("the head of the Ray cluster has started")

    def add(self, environment: dict[str, str] | None = None, before: Sequence[str] = ()) -> Node:
        """A further node.  before: a command that starts it, such as unshare."""
        node = self._started(
            Node([f"--address={self.address}"], {**self._environment, **(environment or {})}, before, START)
        )
        self._wait("the node has joined the Ray cluster, and those that ended have left it")
        return node

    def remove(self, node: Node) -> None:
        """End a node and wait until the cluster knows."""
        node.kill()
        self._wait("the node has left the Ray cluster")

    def _wait(self, what: str) -> None:
        wait_until(lambda: self._size() == sum(node.is_alive() for node in self.nodes), what, 90)

    def close(self) -> None:
        for node in reversed(self.nodes):
            node.kill()
        self._counter.kill()
        self._counter.communicate()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _started(self, node: Node) -> Node:
        self.nodes.append(node)
        return node

    def _size(self) -> int:
        """The nodes that live, as the head counts them."""
        assert self._counter.stdin is not None
        assert self._counter.stdout is not None
        self._counter.stdin.write("\n")
        self._counter.stdin.flush()
        return int(self._counter.stdout.readline())


COUNT = """
import sys
from ray._raylet import GcsClient
from ray.core.generated import gcs_pb2
for _ in sys.stdin:
    try:
        nodes = GcsClient(address=sys.argv[1]).get_all_node_info(timeout=5)
        print(sum(node.state == gcs_pb2.GcsNodeInfo.ALIVE for node in nodes.values()), flush=True)
    except Exception:
        print(0, flush=True)
"""
"""Asks the head for each line of its input, without joining the cluster.  The tests have no threads of Ray."""


@contextlib.contextmanager
def ray_cluster(environment: dict[str, str] | None = None, code: str = START) -> Iterator[RayCluster]:
    """A cluster with a head of one core.  code: what starts it."""
    found = RayCluster(environment or {}, code)
    try:
        yield found
    finally:
        found.close()

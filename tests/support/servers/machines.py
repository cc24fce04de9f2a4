"""Machines for tests: network namespaces on this host, each joined with it by a cable of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice

IP = shutil.which("ip") or ""

NUMBERS = cycle(range(64))
"""Of the machines of this process: so many networks of four addresses are in the last byte of an address."""


@dataclass(frozen=True)
class Machine:
    """A namespace.

    inside: the beginning of a command that runs there.  address: its own.  host: that of this host.
    cable: the name of this host's end of its cable.
    """

    inside: list[str]
    address: str
    host: str
    cable: str


def are_possible() -> bool:
    """True if this user may make namespaces and cables."""
    if os.geteuid() != 0 or not IP:
        return False
    name = f"imgsrv-probe-{os.getpid()}"
    made = subprocess.run([IP, "netns", "add", name], check=False, capture_output=True).returncode == 0
    if made:
        subprocess.run([IP, "netns", "del", name], check=False, capture_output=True)
    return made


@contextlib.contextmanager
def machines(count: int) -> Iterator[list[Machine]]:
    """So many machines during the block.  Their addresses are of the range for benchmarks (RFC 2544)."""
    # Others of this process may be there too.
    numbers = list(islice(NUMBERS, count))
    try:
        yield [_machine(_name(number), number) for number in numbers]
    finally:
        for number in numbers:
            # It would go with its namespace, but only some time later, and the next machines need its name.
            subprocess.run([IP, "link", "del", _cable(number)], check=False, capture_output=True)
            subprocess.run([IP, "netns", "del", _name(number)], check=False, capture_output=True)


def _name(number: int) -> str:
    return f"imgsrv-{os.getpid()}-{number}"


def _cable(number: int) -> str:
    return f"ims{os.getpid() % 100_000}-{number}"


def _machine(name: str, index: int) -> Machine:
    number = os.getpid() % 200 + 1
    cable, host = _cable(index), f"198.18.{number}.{index * 4 + 1}"
    address = f"198.18.{number}.{index * 4 + 2}"
    for command in (
        f"{IP} netns add {name}",
        f"{IP} link add {cable} type veth peer name eth0 netns {name}",
        f"{IP} addr add {host}/30 dev {cable}",
        f"{IP} link set {cable} up",
        f"{IP} -n {name} addr add {address}/30 dev eth0",
        f"{IP} -n {name} link set eth0 up",
        f"{IP} -n {name} link set lo up",
    ):
        subprocess.run(command.split(), check=True, capture_output=True)
    return Machine([IP, "netns", "exec", name], address, host, cable)

"""Join a Ray cluster, or say why that cannot be done: its address, its versions, nothing that answers there."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Generator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from imgsrv.bulk.cluster.executor import convert_all
from imgsrv.bulk.work import Conversion, Outcome, Recipe
from imgsrv.errors import BadArgument
from imgsrv.installed import install_command
from imgsrv.settings_checks import split_address

AUTO, EXAMPLE = "auto", "such as 10.0.0.1:6379 or [fd00::1]:6379"

ANSWER_S = 5.0
"""The longest wait for the head to take a connection."""


class Cluster:
    """A Ray cluster that this process has joined.  address: of its head, or `auto` for the one of this machine."""

    def __init__(self, address: str, tell: Callable[[str], None]) -> None:
        """Join the cluster.  tell: takes what the user is to know of its nodes.

        Raises BadArgument if ray is not installed, or the cluster cannot be joined.
        """
        if find_spec("ray") is None:
            raise BadArgument(f"--ray needs the extra `ray`: {install_command('ray')}")
        _check_address(address)
        self._ray: Any = import_module("ray")
        self._tell = tell
        try:
            self._ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError, self._ray.exceptions.RayError) as error:
            raise BadArgument(_why_not_joined(address, str(error))) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._ray.shutdown()

    def executor(
        self, out: Path | None, fonts: Path | None
    ) -> Callable[[Sequence[Conversion], Recipe], Generator[Outcome]]:
        """The executor of a run.  out: the folder of the results, which all nodes must share; None for a bucket."""
        return lambda conversions, recipe: convert_all(self._ray, conversions, recipe, out, fonts, self._tell)


def _check_address(address: str) -> None:
    """Raise BadArgument if it is no address, or nothing answers there: Ray itself would try for minutes."""
    if address == AUTO:
        return
    if "://" in address:
        raise BadArgument(
            f"--ray {address} is the address of a Ray client; run this command on a node of the cluster, and give "
            f"{AUTO}, or the address of the head, {EXAMPLE}"
        )
    try:
        host_and_port = split_address(address)
    except ValueError as error:
        raise BadArgument(
            f"--ray {address} is no address; give {AUTO}, or the address of the head, {EXAMPLE}"
        ) from error
    try:
        socket.create_connection(host_and_port, ANSWER_S).close()
    except (OSError, UnicodeError) as error:
        raise BadArgument(_why_not_joined(address, str(error))) from error


def _why_not_joined(address: str, reason: str) -> str:
    if "ersion mismatch" in reason:
        theirs, _, ours = reason.partition("This process")
        return (
            f"--ray {address}: the cluster has {_versions(theirs)}, and this command {_versions(ours)}; "
            "install the same versions of both on all nodes"
        )
    return (
        f"--ray {address}: no Ray cluster can be joined there: {' '.join(reason.split())[:300]}; start one with "
        f"`ray start --head`, or give the address of its head, {EXAMPLE}"
    )


def _versions(text: str) -> str:
    """`Ray 2.60.0 and Python 3.11.7` of Ray's own message."""
    lines = (line.strip().partition(": ") for line in text.splitlines())
    found = [f"{name} {value}" for name, _, value in lines if name in ("Ray", "Python")]
    return " and ".join(found)

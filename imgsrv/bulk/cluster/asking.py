"""The function that Ray runs on a node, and what its answers mean."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

from imgsrv import __version__
from imgsrv.errors import BadArgument

VERSIONS = (__version__, platform.python_version())


class Elsewhere(Exception):
    """A task began on another node than its own, which was gone or about to go; it has done nothing."""


def travelling() -> Callable[..., tuple[str, Any]]:
    """The function that runs on a node.  As an inner one it travels itself, so it also runs where imgsrv is missing.

    Its arguments: the versions of this command; the packed work; the identity of the node that the task belongs to,
    empty for any; the packed tasks, empty for a question whether the node can take part.
    """

    def convert_pictures(versions: tuple[str, str], work: bytes, belongs_to: str, tasks: bytes) -> tuple[str, Any]:
        import platform  # noqa: PLC0415  on the node
        from importlib import import_module  # noqa: PLC0415

        # Several nodes may have one address.
        identity = import_module("ray").get_runtime_context().get_node_id()
        if belongs_to not in ("", identity):
            return "elsewhere", identity
        node = f"{import_module('ray.util').get_node_ip_address()}/{identity[:8]}"
        try:
            import imgsrv  # noqa: PLC0415

            found: str | None = imgsrv.__version__
        except ImportError:
            found = None
        if (found, platform.python_version()) != versions:
            return "versions", (node, found, platform.python_version())
        from imgsrv.bulk.cluster.on_node import perform, unfit  # noqa: PLC0415

        if reason := unfit(work):
            return "unfit", (node, reason)
        return "done", perform(work, tasks, node) if tasks else b""

    return convert_pictures


def checked(answer: tuple[str, Any]) -> bytes:
    """The packed outcomes of an answer.  Raises BadArgument for an unfit node, Elsewhere."""
    kind, facts = answer
    if kind == "elsewhere":
        raise Elsewhere
    if kind == "versions":
        node, found, python = facts
        theirs = f"imgsrv {found} and Python {python}" if found else f"no imgsrv, and Python {python}"
        raise BadArgument(
            f"the node {node} has {theirs}, and this command imgsrv {VERSIONS[0]} and Python {VERSIONS[1]}; install "
            "the same versions on all nodes"
        )
    if kind == "unfit":
        raise BadArgument("the node {} cannot take part: {}".format(*facts))
    return bytes(facts)

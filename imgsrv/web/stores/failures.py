"""What can be wrong with a server that several machines share: that it does not work, or that it is full."""

from __future__ import annotations


class ServerFailed(Exception):
    """The server cannot be reached, is late, refuses, or answers what makes no sense; with the reason."""


class ServerFull(ServerFailed):
    """The server has no room, with the reason."""

"""File descriptors that cross an `exec`, from one image of the master to the next."""

from __future__ import annotations

import os


def received(descriptor: int) -> int:
    """Keep a descriptor that the image before passed on, and pass it on to no other program."""
    os.set_inheritable(descriptor, False)
    return descriptor

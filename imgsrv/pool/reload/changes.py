"""What a reload or a restart cannot change: settings that the running process has given to others.

A reload keeps the listening sockets, and a restart opens them anew.  Both keep the place of the control socket, because
the command that asked, and every later one, looks for the instance there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from imgsrv.environment import DEFAULT_NAME, as_flags

Found = Mapping[str, Any]
"""Settings by their names."""

PLACE = ("name", "runtime_dir")
"""The settings that say where commands find the instance."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a trial's settings may not change.

    fixed: the settings that a reload cannot change, with their running values.  cannot_move: says why a restart could
    not listen where settings say; None if it could.
    """

    fixed: Found = field(default_factory=dict)
    cannot_move: Callable[[Found], str | None] = lambda _found: None

    def fault(self, found: Found, *, restarts: bool) -> str | None:
        """Return why these settings need more than a reload or restart; None if they do not.  found: of the trial."""
        changed = [name for name, value in self.fixed.items() if name in found and found[name] != value]
        has_moved = any(name in changed for name in PLACE)
        if restarts and not has_moved:
            return self.cannot_move(found)
        if not changed:
            return None
        words = "; ".join(f"{name} is {self.fixed[name]!r} and would be {found[name]!r}" for name in changed)
        takes = f"`imgsrv stop{self._flags()}` and a new start" if has_moved else f"`imgsrv restart{self._flags()}`"
        return f"{words}: that takes {takes}"

    def _flags(self) -> str:
        """Return the flags by which a command finds this instance."""
        given = {name: self.fixed.get(name) for name in PLACE}
        return as_flags({name: value for name, value in given.items() if (name, value) != ("name", DEFAULT_NAME)})

"""Values that are kept for the next time they are asked for, within a bound of bytes that a process never exceeds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, Generic, TypeVar
from weakref import WeakSet

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

ENTRY_BYTES = 1024
"""Counted for each entry besides its value: the key, its parts, and both objects."""

LARGEST_SHARE = 4
"""One value takes at most this part of the bound, or it would displace all others."""


_ALL: WeakSet[Kept[Any, Any]] = WeakSet()


class Kept(Generic[Key, Value]):
    """The values that were used last.  Several threads may share it.

    most_bytes: of all values together.  size: the bytes of a value, with those of its key where they are many.
    """

    def __init__(self, most_bytes: int, size: Callable[[Key, Value], int]) -> None:
        self.most_bytes, self._size = most_bytes, size
        self.bytes = 0
        self._values: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._lock = Lock()
        _ALL.add(self)

    def __len__(self) -> int:
        return len(self._values)

    def of(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value that is kept for the key, else the one that is made now.  Nobody may change it.

        Threads that ask for the same at once may each make it: making it takes longer than others should wait.
        """
        with self._lock:
            if (found := self._values.get(key)) is not None:
                self._values.move_to_end(key)
                return found[0]
        value = make()
        taken = self._size(key, value) + ENTRY_BYTES
        if taken * LARGEST_SHARE <= self.most_bytes:
            with self._lock:
                self._keep(key, value, taken)
        return value

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()
            self.bytes = 0

    def _keep(self, key: Key, value: Value, taken: int) -> None:
        if key in self._values:
            # Another thread was faster.
            return
        self._values[key] = value, taken
        self.bytes += taken
        while self.bytes > self.most_bytes:
            _key, (_value, freed) = self._values.popitem(last=False)
            self.bytes -= freed


def forget_all() -> None:
    """Forget all kept values of this process, so that the next of each is made anew; for measurements."""
    for each in tuple(_ALL):
        each.clear()

"""Allowances in memory that all workers of a machine share: a table of bounded size, in a memory file.

    locks      one robust mutex for each stripe of sets
    sets       8 ways each: the fingerprints of the allowances' names, then the moments at which they are full

A worker that is killed while it holds a mutex leaves it to the next one: the kernel marks a robust mutex whose owner is
dead, and every cell is right at every moment, because a cell is written in one piece and a way has no fingerprint while
it changes hands.  `fcntl` locks would be given up as well, but each call gives up the interpreter's lock and waits for
it again, behind an engine that may hold it for a quarter of a second, with the record locked.  These calls do not:
0.5 µs for both, where `fcntl.lockf` takes 2.

A worker that is stopped, or waits for the interpreter, while it holds a mutex must not stop the fronts: they try, give
their loop a turn, and try again, until PATIENCE_S is over.

An allowance that is full needs no way, so the table holds only those of clients who asked within the last burst.  If
all ways of a set are taken, the one that is full first goes, and its client begins anew: the setting `limit_clients` is
the number of ways.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import hashlib
import mmap
import os
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from imgsrv.observe.shared_memory import PRIVATE
from imgsrv.web.access.rates import Standing, charge, standing
from imgsrv.web.access.stores.store import Charge, StoreDown

WAYS, SET_CELLS = 8, 16

PLACE = struct.Struct("<QQ")
"""A digest as the fingerprint of an allowance and the number from which its set follows."""

STRIPES, MUTEX_BYTES = 256, 64
"""pthread_mutex_t has 40 bytes on x86-64 and 48 on ARM; so each has a cache line of its own."""

SALT_BYTES = 16

VERSION = 1
"""Of the layout: a reload to a version with another one begins a new table."""

PATIENCE_S, PAUSE_S = 1.0, 0.001
"""An engine holds the interpreter for 0.25 s at most; a mutex that is busy for longer has a worker that is stopped."""

SHARED = ROBUST = 1
"""PTHREAD_PROCESS_SHARED and PTHREAD_MUTEX_ROBUST of glibc and musl."""


class _Pthread:
    """The calls of the C library.  PyDLL keeps the interpreter's lock, which must not change hands between them."""

    def __init__(self) -> None:
        library = ctypes.PyDLL(None, use_errno=False)
        self.init, self.trylock, self.unlock, self.consistent, self._attr, self._pshared, self._robust = (
            library[f"pthread_mutex{name}"]
            for name in (
                "_init",
                "_trylock",
                "_unlock",
                "_consistent",
                "attr_init",
                "attr_setpshared",
                "attr_setrobust",
            )
        )
        for function in (self.trylock, self.unlock, self.consistent):
            function.argtypes = [ctypes.c_void_p]
        self.init.argtypes = [ctypes.c_void_p, ctypes.c_void_p]

    def attributes(self) -> ctypes.Array[ctypes.c_char]:
        """Attributes of a mutex that processes share and that survives its owner."""
        attributes = ctypes.create_string_buffer(MUTEX_BYTES)
        for fault in (self._attr(attributes), self._pshared(attributes, SHARED), self._robust(attributes, ROBUST)):
            if fault:
                raise OSError(fault, os.strerror(fault))
        return attributes


class SharedTable:
    """The memory of the table, made before the workers are forked.  ways: allowances that it holds at least."""

    def __init__(self, ways: int, passed: Mapping[str, Any] | None = None) -> None:
        self.sets = -(-ways // WAYS)
        self._size = STRIPES * MUTEX_BYTES + self.sets * SET_CELLS * 8
        if passed is not None and (passed["version"], passed["sets"]) == (VERSION, self.sets):
            self.file, self.salt = int(passed["file"]), bytes.fromhex(passed["salt"])
            os.set_inheritable(self.file, False)
        else:
            self.file, self.salt = os.memfd_create("limits", os.MFD_CLOEXEC), os.urandom(SALT_BYTES)
            os.fchmod(self.file, PRIVATE)
            os.ftruncate(self.file, self._size)
            self._make_mutexes()

    def dump(self) -> dict[str, Any]:
        """What the next image of the master needs to go on with the table, JSON-compatible."""
        return {"file": self.file, "sets": self.sets, "version": VERSION, "salt": self.salt.hex()}

    def mapped(self) -> mmap.mmap:
        """The memory, in this process."""
        return mmap.mmap(self.file, self._size)

    def _make_mutexes(self) -> None:
        pthread, mapped = _Pthread(), self.mapped()
        at, attributes = ctypes.c_char.from_buffer(mapped), _Pthread().attributes()
        for stripe in range(STRIPES):
            if fault := pthread.init(ctypes.addressof(at) + stripe * MUTEX_BYTES, attributes):
                raise OSError(fault, os.strerror(fault))
        del at
        mapped.close()


class MemoryStore:
    """The table as a worker uses it.  on_evicted: called when an allowance had to go for another one."""

    def __init__(
        self,
        table: SharedTable,
        on_evicted: Callable[[], None] = lambda: None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._map = table.mapped()
        self._locks = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        start = STRIPES * MUTEX_BYTES
        self._cells = memoryview(self._map)[start:].cast("Q")
        self._sets, self._salt, self._pthread = table.sets, table.salt, _Pthread()
        self._on_evicted, self._clock = on_evicted, clock

    async def take(self, charges: Sequence[Charge]) -> list[Standing]:
        """Charge all of these, or none of them if one is beyond its limit.  Raises StoreDown."""
        places = [self._place(each) for each in charges]
        held = await self._hold({first % STRIPES for _mark, first in places})
        try:
            now = self._clock()
            ways = [self._find(*place) for place in places]
            old = [self._cells[way + WAYS] if way is not None else 0 for way in ways]
            found = [charge(at, now, each.cost, each.limit) for at, each in zip(old, charges, strict=True)]
            is_admitted = not any(wait for _after, wait in found)
            if is_admitted:
                for place, way, (after, _wait) in zip(places, ways, found, strict=True):
                    self._write(place, way, after, now)
        finally:
            self._release(held)
        return [
            standing(after if is_admitted else at, now, wait, each.limit)
            for at, (after, wait), each in zip(old, found, charges, strict=True)
        ]

    async def correct(self, charges: Sequence[Charge]) -> None:
        """Charge without asking, also less than nothing.  Raises StoreDown."""
        for each in charges:
            place = self._place(each)
            held = await self._hold({place[1] % STRIPES})
            try:
                now, way = self._clock(), self._find(*place)
                at = self._cells[way + WAYS] if way is not None else 0
                after, _wait = charge(at, now, each.cost, each.limit)
                self._write(place, way, max(0, after), now)
            finally:
                self._release(held)

    async def close(self) -> None:
        """Nothing to give up: the memory goes with the process."""

    # ---- mutexes --------------------------------------------------------------------------------------

    async def _hold(self, stripes: set[int]) -> list[int]:
        """Lock the stripes; gives the addresses of their mutexes.  Nothing may be awaited until they are released."""
        mutexes = [self._locks + stripe * MUTEX_BYTES for stripe in stripes]
        if self._try(mutexes):
            return mutexes
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            await asyncio.sleep(PAUSE_S)
            if self._try(mutexes):
                return mutexes
        raise StoreDown(f"a worker has held the table of limits for {PATIENCE_S:g} s")

    def _try(self, mutexes: list[int]) -> bool:
        """Lock all of them, or none."""
        for index, mutex in enumerate(mutexes):
            fault = self._pthread.trylock(mutex)
            if fault == errno.EOWNERDEAD:
                # Its owner was killed.  The cells are right at every moment, so there is nothing to repair.
                self._pthread.consistent(mutex)
            elif fault:
                self._release(mutexes[:index])
                return False
        return True

    def _release(self, mutexes: list[int]) -> None:
        for mutex in mutexes:
            self._pthread.unlock(mutex)

    # ---- ways -----------------------------------------------------------------------------------------

    def _place(self, each: Charge) -> tuple[int, int]:
        """The fingerprint of an allowance, and the number of its set.  Others cannot find names that collide."""
        digest = hashlib.blake2b(each.name.encode(), digest_size=16, key=self._salt).digest()
        mark, number = PLACE.unpack(digest)
        return mark or 1, number % self._sets

    def _find(self, mark: int, number: int) -> int | None:
        """The cell of an allowance's fingerprint; None if it has no way, because it is full."""
        first = number * SET_CELLS
        marks = self._cells[first : first + WAYS].tolist()
        return first + marks.index(mark) if mark in marks else None

    def _write(self, place: tuple[int, int], way: int | None, full_at: int, now: int) -> None:
        """Write when an allowance is full, in its own way, else in that of another which is full, or will be first."""
        cells, (mark, number) = self._cells, place
        # The allowance before it in the same request may have taken its way.
        if way is None or cells[way] != mark:
            first = number * SET_CELLS
            times = cells[first + WAYS : first + SET_CELLS].tolist()
            way = first + times.index(min(times))
            if cells[way] and cells[way + WAYS] > now:
                self._on_evicted()
            # A process that is killed between these lines leaves an empty way, and no client with another one's time.
            cells[way] = 0
            cells[way + WAYS] = full_at
            cells[way] = mark
        else:
            cells[way + WAYS] = full_at

"""The helper process: `python -m imgsrv.imaging.apart.helper ORDER`, with jobs on stdin and answers on stdout.

A job's bytes and its result's are in a memory file that both sides share; the pipes carry only what is to be done and
what has become of it.  The process ends when its stdin does.
"""

from __future__ import annotations

import json
import mmap
import os
import pickle
import struct
import sys

from imgsrv.imaging.apart.confine import die_first, die_with, give_up
from imgsrv.imaging.apart.tasks import Order, Task, prepare

LENGTH = struct.Struct("=I")
"""In front of each message."""

MOST_BYTES = 1 << 36
"""The size of the shared file while it is mapped, and thus of the largest job: only address space, of which there is
more than enough, because a process without descriptors cannot map it again."""

LONGEST_REASON = 1000


def main() -> None:
    """Make the tasks ready, give up everything, say so, and do one job after another."""
    given = json.loads(sys.argv[1])
    if given["parent"]:
        die_with(given["parent"])
    die_first()
    tasks = prepare(given["tasks"], given["fonts"])
    shared = memoryview(mmap.mmap(given["memory"], MOST_BYTES))
    os.close(given["memory"])
    jobs, answers = sys.stdin.fileno(), sys.stdout.fileno()
    os.close(sys.stderr.fileno())
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123  pathlib is not needed otherwise
        address_space = int(file.read().split()[0]) * mmap.PAGESIZE
    _say(answers, {"address_space": address_space, "is_filtered": give_up()})
    while (message := _heard(jobs)) is not None:
        name, size, room, order = pickle.loads(message)  # noqa: S301  from the process that started this one
        _say(answers, _done(tasks[name], order, shared, size, room))


def _done(task: Task, order: Order, shared: memoryview, size: int, room: int) -> dict[str, object]:
    """Do a job; the answer.  size: bytes of the job; room: bytes for the result."""
    try:
        result = task(bytes(shared[:size]), order)
        at = 0
        for part in (memoryview(part).cast("B") for part in result if len(part)):
            if at + len(part) > room:
                return {"reason": f"its result has more than {room:,} bytes, for which there is room"}
            shared[at : at + len(part)] = part
            at += len(part)
    except MemoryError:
        return {"is_too_much": True}
    # The caller knows which exceptions mean what, and gets the text of all.
    except Exception as error:  # noqa: BLE001
        return {"reason": (str(error) or type(error).__name__)[:LONGEST_REASON]}
    return {"size": at}


def _heard(jobs: int) -> bytes | None:
    """The next message; None at the end."""
    head = _exactly(jobs, LENGTH.size)
    return None if head is None else _exactly(jobs, *LENGTH.unpack(head))


def _exactly(jobs: int, size: int) -> bytes | None:
    parts = b""
    while len(parts) < size:
        part = os.read(jobs, size - len(parts))
        if not part:
            return None
        parts += part
    return parts


def _say(answers: int, facts: dict[str, object]) -> None:
    message = json.dumps(facts).encode()
    os.write(answers, LENGTH.pack(len(message)) + message)


if __name__ == "__main__":
    main()

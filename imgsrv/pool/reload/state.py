"""What a master knows, as JSON for its next image, and back."""

from __future__ import annotations

import dataclasses
import random
import socket
import time
from typing import TYPE_CHECKING, Any

from imgsrv.observe.scoreboard import SPARE_ROWS, Board
from imgsrv.pool.child import Child
from imgsrv.pool.reload.exec import received
from imgsrv.pool.slot import Slot, State
from imgsrv.pool.worker.crashbox import CrashBox

if TYPE_CHECKING:
    from imgsrv.pool.control.control_socket import Caller
    from imgsrv.pool.master import Master

SLOT_FIELDS = tuple(field.name for field in dataclasses.fields(Slot) if field.name != "dice")

CHILD_FIELDS = (
    *("pid", "row_index", "last_job", "forked_at", "generation", "retired_at", "is_hung"),
    *("requests_before", "jobs_before", "counted"),
)


def state_of(master: Master, caller: Caller, started: tuple[float, float]) -> tuple[dict[str, Any], list[int]]:
    """The state of a master whose rollout is to follow, and the descriptors that go with it."""
    boards = list({id(board): board for board in (master.board, *(c.board for c in master.children.values()))}.values())
    state: dict[str, Any] = {
        "generation": master.generation + 1,
        "size": master.size,
        "started": started,
        "past": master.past,
        "boards": [board.file for board in boards],
        "slots": [{name: _plain(getattr(slot, name)) for name in SLOT_FIELDS} for slot in master.slots],
        "children": [
            {
                **{name: getattr(child, name) for name in CHILD_FIELDS},
                "slot": child.slot.index,
                "board": [board is child.board for board in boards].index(True),
                "line": child.line.fileno(),
                "box": child.box.handover(),
            }
            for child in master.children.values()
        ],
        "events": list(master.events.recent),
        "listener": master.listener.handover(),
        "control": None if master.control is None else master.control.handover(caller),
    }
    listener, control = state["listener"], state["control"] or {"clients": []}
    descriptors = [*state["boards"], *listener["sockets"]]
    descriptors += [listener["lock"]] if "lock" in listener else []
    descriptors += [each for child in state["children"] for each in (child["line"], *child["box"])]
    descriptors += [*control["clients"], *(control[name] for name in ("listening", "lock") if name in control)]
    return state, descriptors


def restore(master: Master, state: dict[str, Any]) -> None:
    """Make a new master what the one before it was."""
    boards = [Board.opened(received(file)) for file in state["boards"]]
    master.generation, master.past = state["generation"], state["past"]
    master.has_announced = True
    master.slots = [_slot(values) for values in state["slots"]]
    by_index = {slot.index: slot for slot in master.slots}
    master.board = boards[0]
    for values in state["children"]:
        # The slot of a worker on its way out may have gone.
        slot = by_index.get(values["slot"]) or Slot(values["slot"], State.GONE)
        child = _child(values, slot, boards[values["board"]])
        master.children[child.pid] = child
    if master.board.is_foreign:
        _found_anew(master)
    master.events.recent.extend(state["events"])


def _found_anew(master: Master) -> None:
    """Begin a board with this version's fields; what the other one has counted is kept in a row of its own."""
    old, master.board = master.board, Board(0, spare=master.size + SPARE_ROWS)
    master.past = master.board.free_row(())
    for row in old.rows():
        counted = master.board.add_counts(row, master.past, {})
        for child in master.children.values():
            if child.board is old and child.row["pid"] == row["pid"] == child.pid:
                child.counted = counted


def _slot(values: dict[str, Any]) -> Slot:
    known = {name: value for name, value in values.items() if name in SLOT_FIELDS}
    return Slot(**{**known, "state": State(known["state"])}, dice=random.Random(time.monotonic_ns()))  # noqa: S311


def _child(values: dict[str, Any], slot: Slot, board: Board) -> Child:
    line = socket.socket(fileno=received(values["line"]))
    line.setblocking(False)
    child = Child(
        values["pid"],
        slot,
        board,
        values["row_index"],
        line,
        last_job=values["last_job"],
        forked_at=values["forked_at"],
        generation=values["generation"],
        retired_at=values["retired_at"],
        is_hung=values["is_hung"],
        box=CrashBox(values.get("box", ())),
    )
    for name in ("requests_before", "jobs_before", "counted"):
        setattr(child, name, values[name])
    return child


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, State) else value

"""The state of a master as JSON for its next image, and back.

Other versions read and write it too.  The trial before a reload loads it with the new code (reload/trial.py); a version
that does not understand it refuses the reload there.
"""

from __future__ import annotations

import dataclasses
import random
import socket
import time
from typing import Any

from imgsrv.observe.scoreboard import SPARE_ROWS, Board
from imgsrv.pool.child import Child
from imgsrv.pool.descriptors import received
from imgsrv.pool.reload.exec import Passed
from imgsrv.pool.roster import Inherited, Roster
from imgsrv.pool.slot import Slot, State
from imgsrv.pool.worker.crashbox import CrashBox

SLOT_FIELDS = tuple(field.name for field in dataclasses.fields(Slot) if field.name != "dice")

CHILD_FIELDS = (
    *("pid", "row_index", "last_job", "forked_at", "generation", "retired_at", "is_hung"),
    *("requests_before", "jobs_before", "counted"),
)


def dump(roster: Roster, control: dict[str, Any] | None) -> tuple[Passed, list[int]]:
    """Return the state for the next image, and the descriptors that it needs.  control: that of the control socket."""
    boards = roster.boards()
    state: Passed = {
        "generation": roster.generation + 1,
        "size": roster.size,
        "started": roster.started,
        "past": roster.past,
        "boards": [board.dump() for board in boards],
        "slots": [{name: _plain(getattr(slot, name)) for name in SLOT_FIELDS} for slot in roster.slots],
        "children": [
            {
                **{name: getattr(child, name) for name in CHILD_FIELDS},
                "slot": child.slot.index,
                "board": [board is child.board for board in boards].index(True),
                "line": child.line.fileno(),
                "box": child.box.dump(),
            }
            for child in roster.children.values()
        ],
        "events": list(roster.events.recent),
        "listener": roster.listener.dump(),
        "control": control,
        "shared": {name: dict(memory) for name, memory in roster.work.shared.items()},
    }
    return state, _descriptors(state)


def load(state: Passed, size: int) -> Inherited:
    """Make what a new roster inherits.  size: of the pool, in the settings of this image.

    Raises KeyError and others for a state that this version does not understand.
    """
    if not all(isinstance(board, dict) for board in state["boards"]):
        raise TypeError("version 0.1.0 has another scoreboard, so a reload cannot replace it: use `imgsrv restart`")
    boards = [Board.opened({**board, "file": received(board["file"])}) for board in state["boards"]]
    slots = [_slot(values) for values in state["slots"]]
    by_index = {slot.index: slot for slot in slots}
    inherited = Inherited(
        generation=state["generation"],
        size=state["size"],
        started=state["started"],
        board=boards[0],
        past=state["past"],
        slots=slots,
        children={},
        events=state["events"],
    )
    for values in state["children"]:
        # The slot of a worker on its way out may be gone.
        slot = by_index.get(values["slot"]) or Slot(values["slot"], State.GONE)
        child = _child(values, slot, boards[values["board"]])
        inherited.children[child.pid] = child
    return _with_new_board(inherited, size) if inherited.board.is_foreign else inherited


def _with_new_board(inherited: Inherited, size: int) -> Inherited:
    """Begin a board with this version's fields.  One row of it keeps the counts of the old board."""
    old, board = inherited.board, Board(0, spare=size + SPARE_ROWS)
    past = board.free_row(())
    for row in old.rows():
        counted = board.add_counts(row, past, {})
        for child in inherited.children.values():
            if child.board is old and child.row["pid"] == row["pid"] == child.pid:
                child.counted = counted
    return dataclasses.replace(inherited, board=board, past=past)


def _descriptors(state: Passed) -> list[int]:
    """Every descriptor that a state names."""
    listener, control = state["listener"], state["control"] or {"clients": []}
    descriptors = [*(board["file"] for board in state["boards"]), *listener["sockets"]]
    descriptors += [memory["file"] for memory in state.get("shared", {}).values()]
    descriptors += [listener["lock"]] if "lock" in listener else []
    descriptors += [each for child in state["children"] for each in (child["line"], *child["box"])]
    descriptors += [*control["clients"], *(control[name] for name in ("listening", "lock") if name in control)]
    return descriptors


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

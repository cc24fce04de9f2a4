"""Text of others that cannot steer a terminal or a reader of logs: control characters are written as escapes.

A path of a request, a message of a codec and the name of a file can hold anything.  ESC begins a sequence that moves
the cursor, renames the window or worse; CR and LF begin a line that looks like another record; the controls of
bidirectional text (Unicode Standard Annex 9) show a line in another order than it has.  Each text is escaped once,
where a record or an answer becomes text.
"""

from __future__ import annotations

import re
from typing import Any

C0, C0_BUT_LAYOUT = "\x00-\x1f", "\x00-\x08\x0b-\x1f"

CONTROLS = f"{C0}\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""C0, DEL and C1; marks, embeddings, overrides and isolates of direction; line and paragraph separators; surrogates."""

OWN_NAME = "imgsrv: "
"""Before each message of a command on standard error."""

_ALL = re.compile(f"[{CONTROLS}]")
_ALL_BUT_LAYOUT = re.compile(f"[{CONTROLS.replace(C0, C0_BUT_LAYOUT)}]")


def printable(text: str) -> str:
    r"""Return the text on one line: ESC becomes `\x1b`, a line break `\n`, U+202E `\u202e`."""
    # Most texts have nothing to escape, which this sees ten times faster.
    return text if text.isprintable() else _ALL.sub(_escape, text)


def printable_lines(text: str) -> str:
    """Return the text with its line breaks and tabs, and everything else as `printable` does."""
    return text if text.isprintable() else _ALL_BUT_LAYOUT.sub(_escape, text)


def printable_json(text: str) -> str:
    r"""Return JSON with its line breaks, and every other control as `\u001b`.

    In JSON such a character can stand only in a string, where it means the same.
    """
    return text if text.isprintable() else _ALL_BUT_LAYOUT.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def printable_data(value: Any) -> Any:
    """Return JSON-compatible data in which each text is as `printable_lines` makes it."""
    if isinstance(value, str):
        return printable_lines(value)
    if isinstance(value, dict):
        return {printable_data(name): printable_data(each) for name, each in value.items()}
    return [printable_data(each) for each in value] if isinstance(value, list) else value


def without_own_name(line: str) -> str:
    """Return a line that another process of imgsrv has said, for a message that begins with the name itself."""
    return line.removeprefix(OWN_NAME)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")

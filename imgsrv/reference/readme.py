"""Generated sections of a Markdown file, which lie between these two lines.

<!-- generated: NAME -->
<!-- end -->
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from imgsrv.errors import BadArgument, joined
from imgsrv.wording import closest

BEGIN = re.compile(r"^<!-- generated: (?P<name>.*?) -->\n", re.MULTILINE)
SECTION = re.compile(BEGIN.pattern + r"(?P<body>.*?)^<!-- end -->$", re.MULTILINE | re.DOTALL)


def render(text: str, sections: Mapping[str, str]) -> str:
    """The text with all generated sections up to date.

    Raises BadArgument for a section without an end, and for one that is not in `sections`.
    """
    _check_marks(text)
    return SECTION.sub(lambda match: _fresh(match["name"], sections), text)


def stale_sections(text: str, sections: Mapping[str, str]) -> list[str]:
    """The names of the generated sections that are out of date.  Raises the same errors as `render`."""
    _check_marks(text)
    return [match["name"] for match in SECTION.finditer(text) if match[0] != _fresh(match["name"], sections)]


def _fresh(name: str, sections: Mapping[str, str]) -> str:
    if name not in sections:
        near = closest(name, sections)
        hint = f"did you mean {near}?" if near else f"there are {joined(list(sections))}"
        raise BadArgument(f"there is no generated section {name!r}; {hint}")
    return f"<!-- generated: {name} -->\n{sections[name]}\n<!-- end -->"


def _check_marks(text: str) -> None:
    """Check that each begin has its own end before the next begin.  Raises BadArgument."""
    begun = [match["name"] for match in BEGIN.finditer(text)]
    ended = {match["name"] for match in SECTION.finditer(text) if not BEGIN.search(match["body"])}
    for name in begun:
        if name not in ended:
            raise BadArgument(f"the generated section {name!r} has no <!-- end --> of its own")

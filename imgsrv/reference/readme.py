"""Generated sections of a Markdown file: what stands between these two lines is never written by hand.

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
    """The text with every marked section as it should be.

    Raises BadArgument for a section that has no end or that is not among `sections`.
    """
    _check_marks(text)
    return SECTION.sub(lambda match: _fresh(match["name"], sections), text)


def stale_sections(text: str, sections: Mapping[str, str]) -> list[str]:
    """The names of the marked sections that are not as they should be.  Raises as `render` does."""
    _check_marks(text)
    return [match["name"] for match in SECTION.finditer(text) if match[0] != _fresh(match["name"], sections)]


def _fresh(name: str, sections: Mapping[str, str]) -> str:
    if name not in sections:
        near = closest(name, sections)
        hint = f"did you mean {near}?" if near else f"there are {joined(list(sections))}"
        raise BadArgument(f"there is no generated section {name!r}; {hint}")
    return f"<!-- generated: {name} -->\n{sections[name]}\n<!-- end -->"


def _check_marks(text: str) -> None:
    """Every begin has its own end, before the next begin."""
    begun = [match["name"] for match in BEGIN.finditer(text)]
    ended = {match["name"] for match in SECTION.finditer(text) if not BEGIN.search(match["body"])}
    for name in begun:
        if name not in ended:
            raise BadArgument(f"the generated section {name!r} has no <!-- end --> of its own")

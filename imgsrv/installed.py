"""How this imgsrv was installed, and the command that adds one of its extras to it.

The sources of `pip install .`, of a wheel or of a repository are in no index under the name imgsrv.  So a command names
what this imgsrv came from: an installer notes that in `direct_url.json` (PEP 610).

Messages that clients of a server see name an extra and nothing of its machine: "the extra `heif`".  A command of the
command line, whose reader may install it, adds `with_command` to them.
"""

from __future__ import annotations

import functools
import json
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from importlib.metadata import Distribution

DISTRIBUTION = "imgsrv"

SOURCES = Path(__file__).parents[1]
"""The folder around the package: of the sources, where it is not installed."""

NAMED = re.compile(r"the extra `([a-z0-9]+)`")
"""An extra in a message."""


@functools.cache
def install_command(extra: str) -> str:
    """The command that adds an extra to this imgsrv, as a shell takes it."""
    from importlib.metadata import PackageNotFoundError, distribution  # noqa: PLC0415  10 ms that few messages need

    try:
        found = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        found = None
    return f"{pip(Path(sys.prefix))} install {shlex.join(wanted(extra, found, SOURCES))}"


def with_command(message: str) -> str:
    """The message; if it names an extra, followed by the command that adds it."""
    named = NAMED.search(message)
    command = install_command(named[1]) if named else ""
    return f"{message}; to install it: {command}" if command and command not in message else message


def wanted(extra: str, found: Distribution | None, sources: Path) -> list[str]:
    """What pip is to install: what imgsrv came from, with the extra; if that is gone, what the extra consists of.

    found: imgsrv as it is installed; None if it is not.  sources: see SOURCES.
    """
    text = None if found is None else found.read_text("direct_url.json")
    origin: dict[str, Any] = json.loads(text) if text else {}
    is_editable = ["-e"] if origin.get("dir_info", {}).get("editable") else []
    if (sources / "pyproject.toml").is_file():
        return [*is_editable, f"{sources}[{extra}]"]
    if not origin:
        return [f"{DISTRIBUTION}[{extra}]"]
    parts = urlsplit(origin["url"])
    if parts.scheme != "file":
        return [f"{DISTRIBUTION}[{extra}] @ {_url(origin)}"]
    if Path(place := unquote(parts.path)).exists():
        return [*is_editable, f"{place}[{extra}]"]
    ends = f'extra == "{extra}"'
    return [
        each.partition(";")[0].strip()
        for each in (found and found.requires) or ()
        if each.replace("'", '"').endswith(ends)
    ]


def pip(environment: Path) -> str:
    """How a shell finds the pip of an environment."""
    import shutil  # noqa: PLC0415  as above

    own, named = environment / "bin" / "pip", shutil.which("pip")
    if named is not None and Path(named).resolve() == own.resolve():
        return "pip"
    return shlex.quote(str(own)) if own.exists() else f"{shlex.quote(sys.executable)} -m pip"


def _url(origin: Mapping[str, Any]) -> str:
    """The URL of PEP 610 as pip takes it: with the version of a repository, and the folder in it."""
    version, folder = origin.get("vcs_info"), origin.get("subdirectory")
    url = str(origin["url"])
    if version:
        url = f"{version['vcs']}+{url}@{version.get('requested_revision') or version['commit_id']}"
    return f"{url}#subdirectory={folder}" if folder else url

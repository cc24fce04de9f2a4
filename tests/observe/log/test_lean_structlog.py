"""structlog is loaded without rich, which stays there for those who need it."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOADED = "from imgsrv.observe.log.lean_structlog import structlog; import sys; "


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(f"{LOADED} assert 'rich' not in sys.modules", id="not-loaded"),
        pytest.param(f"{LOADED} import rich.console; rich.console.Console()", id="loaded-later"),
        pytest.param(f"import rich; {LOADED} assert sys.modules['rich'] is rich", id="loaded-before"),
        pytest.param(f"import structlog; {LOADED} assert structlog is sys.modules['structlog']", id="structlog-before"),
    ],
)
def test_rich_is_not_loaded_for_a_log(code: str) -> None:
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

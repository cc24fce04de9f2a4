"""Facts about an instance for `imgsrv status` and `imgsrv describe`: versions, extras, settings and their sources."""

from __future__ import annotations

import os
import platform
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from imgsrv import __version__
from imgsrv.imaging.codecs import turbojpeg
from imgsrv.imaging.codecs.native import jpeg as native_jpeg
from imgsrv.imaging.pixels import resample
from imgsrv.pool.control.operator import About
from imgsrv.pool.reload.changes import Changes
from imgsrv.pool.reload.exec import command_line
from imgsrv.server.moving import cannot_move
from imgsrv.settings import Configuration, Settings, shown

FIXED = ("name", "runtime_dir", "host", "port", "socket_mode")
"""The settings that a reload cannot change."""

PACKAGES = ("falcon", "numpy", "opencv-python-headless", "pillow", "psutil", "uvloop")
"""The packages whose versions `imgsrv describe` shows."""

EXTRAS = {
    "heif": "pillow-heif",
    "jxl": "pillow-jxl-plugin",
    "otel": "opentelemetry-sdk",
    "pdf": "pypdfium2",
    "raw": "rawpy",
    "redis": "redis",
    "s3": "obstore",
    "svg": "resvg",
    "turbo": "pylibjxl",
}
"""The package that makes each extra of pyproject.toml available."""


def about(configuration: Configuration) -> About:
    """Return the facts about an instance with these settings."""
    settings = configuration.settings
    values = shown(settings)
    return About(
        name=settings.name,
        log_file=os.path.realpath(settings.log_file) if settings.log_file else None,
        version=__version__,
        max_queue=settings.max_queue,
        changes=Changes(fixed(settings), partial(cannot_move, settings)),
        description={
            "command": command_line(),
            "folder": str(Path.cwd()),
            "python": platform.python_version(),
            "packages": {name: metadata.version(name) for name in PACKAGES},
            "extras": extras(),
            "resizer": "cykooz-resizer" if resample.IS_FAST else "pillow",
            "jpeg_decoder": {"processor": native_jpeg.PROCESSOR or None, "missing": native_jpeg.WHY_MISSING or None},
            "settings": {
                name: {"value": value, "source": configuration.sources[name]} for name, value in values.items()
            },
        },
    )


def fixed(settings: Settings) -> dict[str, Any]:
    """Return the settings that a reload cannot change, with their values."""
    return {name: getattr(settings, name) for name in FIXED}


def extras() -> dict[str, str | None]:
    """Return the version of each extra's package; None for an extra that is not installed or does not work."""
    found = {name: _version(package) for name, package in EXTRAS.items()}
    return found if turbojpeg.IS_HERE else {**found, "turbo": None}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None

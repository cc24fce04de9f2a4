"""Independent readers of pictures: commands and libraries that are installed, each from a file to RGBA of 8 bits."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels: TypeAlias = NDArray[np.uint8]
"""(H, W, 4), straight alpha."""

LONGEST_S = 30
"""Seconds that a reader may take."""

TOP = {"uint8": 255, "uint16": 65_535}


class Reader(Protocol):
    """What reads pictures."""

    def reads(self, kind: str) -> bool:
        """It is installed and knows the format."""

    def read(self, path: Path, kind: str) -> Pixels | None:
        """The pixels; None for a refused picture.  kind: the format by the file's suffix."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program that writes a picture that Pillow reads.  words: its arguments; {} stands for the files."""

    name: str
    formats: Sequence[str]
    words: Sequence[str]
    suffix: str = ".png"

    def reads(self, kind: str) -> bool:
        """It is installed and knows the format."""
        return kind in self.formats and shutil.which(self.words[0]) is not None

    def read(self, path: Path, _kind: str) -> Pixels | None:
        """The pixels; None for a refused picture."""
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder, f"made{self.suffix}")
            words = [word.format(source=path, made=made) for word in self.words]
            try:
                subprocess.run(words, capture_output=True, check=True, timeout=LONGEST_S, cwd=folder)
                found = made if made.exists() else next(iter(sorted(Path(folder).glob("made*"))))
                return opened(found)
            except (subprocess.SubprocessError, OSError, StopIteration, ValueError, SyntaxError):
                return None


@dataclass(frozen=True, slots=True)
class Library:
    """A package of Python that reads pictures, if it is installed."""

    package: str
    formats: Sequence[str]
    function: Callable[[Path], Pixels | None]

    def reads(self, kind: str) -> bool:
        """It is installed and knows the format."""
        return kind in self.formats and importlib.util.find_spec(self.package) is not None

    def read(self, path: Path, _kind: str) -> Pixels | None:
        """The pixels; None for a refused picture."""
        return self.function(path)


COMMANDS = (
    Command(
        "ffmpeg",
        ("jpeg", "png", "gif", "webp", "tiff", "bmp", "psd", "tga", "pnm", "jp2", "qoi"),
        ("ffmpeg", "-v", "error", "-i", "{source}", "-frames:v", "1", "-pix_fmt", "rgba", "{made}"),
    ),
    Command("opj_decompress", ("jp2",), ("opj_decompress", "-quiet", "-upsample", "-i", "{source}", "-o", "{made}")),
    Command("djxl", ("jxl",), ("djxl", "--bits_per_sample=8", "{source}", "{made}")),
    Command("avifdec", ("avif",), ("avifdec", "--no-strict", "-d", "8", "{source}", "{made}")),
    Command("heif-convert", ("heic", "avif"), ("heif-convert", "{source}", "{made}")),
)


def read_with_oiio(path: Path) -> Pixels | None:
    """The pixels by OpenImageIO; None for a refused picture, and for channels that are not of grey or RGB."""
    oiio: Any = import_module("OpenImageIO")  # by name, because types are checked where it is not installed

    wish = oiio.ImageSpec()
    wish["oiio:UnassociatedAlpha"] = 1
    file = oiio.ImageInput.open(str(path), wish)
    if file is None:
        # The library prints an error that nobody asks for.
        oiio.geterror()
        return None
    spec, levels = file.spec(), file.read_image(format="uint8")
    colours = 3 if spec.channelnames[:3] == ("R", "G", "B") else 1 if spec.channelnames[0] in ("Y", "I") else 0
    if levels is None or not colours or spec.get_int_attribute("Orientation", 1) != 1:
        file.geterror()
        return None
    alpha = [spec.alpha_channel] if spec.alpha_channel >= 0 else []
    return as_rgba(levels[..., [*range(colours), *alpha]])


def as_rgba(levels: Pixels) -> Pixels:
    """Grey or RGB, with alpha or without, as RGBA.  levels: (H, W, 1 to 4)."""
    channels = levels.shape[2]
    alpha = levels[..., -1:] if channels in (2, 4) else np.full_like(levels[..., :1], 255)
    colours = levels[..., :3] if channels >= 3 else np.repeat(levels[..., :1], 3, axis=2)
    return np.dstack([colours, alpha])


def opened(path: Path) -> Pixels:
    """The pixels of a file that a command wrote."""
    with Image.open(path) as image:
        if image.mode.startswith("I"):
            grey = ((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8)
            return np.dstack([grey, grey, grey, np.full_like(grey, 255)])
        return np.asarray(image.convert("RGBA"))


def read_tiff(path: Path) -> Pixels | None:
    """The pixels of a TIFF by tifffile, as far as its samples are plain: grey, RGB or palette of 8 or 16 bits."""
    import tifffile  # noqa: PLC0415  slow to load

    try:
        with tifffile.TiffFile(path) as file:
            return _plain(file.pages[0])
    except Exception:  # noqa: BLE001  it raises what its many codecs raise
        return None


def _plain(page: Any) -> Pixels | None:
    samples = page.asarray()
    top = TOP.get(str(samples.dtype))
    if top is None or page.photometric.name not in ("MINISBLACK", "MINISWHITE", "RGB"):
        return None
    orientation = page.tags.get("Orientation")
    if samples.ndim not in (2, 3) or page.bitspersample not in (8, 16) or (orientation and orientation.value != 1):
        return None
    if page.planarconfig.name == "SEPARATE" and samples.ndim == 3:
        samples = np.moveaxis(samples, 0, -1)
    samples = np.atleast_3d((samples.astype(np.uint32) * 255 + top // 2) // top).astype(np.uint8)
    if page.photometric.name == "MINISWHITE":
        samples[..., :1] = 255 - samples[..., :1]
    colours, extra = (3, samples[..., 3:]) if page.photometric.name == "RGB" else (1, samples[..., 1:])
    if [int(kind) for kind in page.extrasamples] not in ([], [2]):
        return None
    alpha = extra if extra.shape[2] else np.full_like(samples[..., :1], 255)
    return np.dstack([np.broadcast_to(samples[..., :colours], (*samples.shape[:2], 3)), alpha])


LIBRARIES = (
    Library("tifffile", ("tiff",), read_tiff),
    Library("OpenImageIO", ("bmp", "tga", "psd", "pnm", "tiff", "jp2", "gif"), read_with_oiio),
)

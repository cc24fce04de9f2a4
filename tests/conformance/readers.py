"""Independent readers of pictures: commands and libraries that are installed, each from a file to RGBA of 8 bits."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels: TypeAlias = NDArray[np.uint8]
"""(H, W, 4), straight alpha."""

LONGEST_S = 30
"""Seconds that a reader may take."""

TOP = {"uint8": 255, "uint16": 65_535}

SHARP = """
const sharp = require('sharp'), lines = require('readline').createInterface({input: process.stdin});
let last = Promise.resolve();
lines.on('line', path => { last = last.then(async () => {
  try {
    const image = sharp(path, {limitInputPixels: 1e8}).autoOrient().toColourspace('srgb').ensureAlpha();
    const {data, info} = await image.raw({depth: 'uchar'}).toBuffer({resolveWithObject: true});
    process.stdout.write(JSON.stringify(info) + '\\n'); process.stdout.write(data);
  } catch (error) { process.stdout.write(JSON.stringify({error: String(error)}) + '\\n'); }
}); });
"""


class Reader(Protocol):
    """What reads pictures."""

    def reads(self, kind: str) -> bool:
        """It is installed and knows the format."""

    def read(self, path: Path) -> Pixels | None:
        """The pixels; None for a refused picture."""


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

    def read(self, path: Path) -> Pixels | None:
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


COMMANDS = (
    Command(
        "imagemagick",
        ("jpeg", "png", "gif", "webp", "tiff", "bmp", "ico", "psd", "tga", "pnm", "heic"),
        ("convert", "-limit", "memory", "2GiB", "{source}[0]", "-auto-orient", "-depth", "8", "png32:{made}"),
    ),
    Command(
        "ffmpeg",
        ("png", "gif", "webp", "tiff", "bmp", "psd", "tga", "pnm", "jp2", "qoi"),
        ("ffmpeg", "-v", "error", "-i", "{source}", "-frames:v", "1", "-pix_fmt", "rgba", "{made}"),
    ),
    Command("opj_decompress", ("jp2",), ("opj_decompress", "-quiet", "-upsample", "-i", "{source}", "-o", "{made}")),
    Command("djxl", ("jxl",), ("djxl", "--bits_per_sample=8", "{source}", "{made}")),
    Command("avifdec", ("avif",), ("avifdec", "--no-strict", "-d", "8", "{source}", "{made}")),
    Command("heif-convert", ("heic", "avif"), ("heif-convert", "{source}", "{made}")),
)


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


class Sharp:
    """One process of node with sharp; a context manager ends it.  folder: the parent of its node_modules."""

    def __init__(self, folder: Path | None) -> None:
        self._folder, self._lock = folder, threading.Lock()

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._folder:
            self._process.kill()
            self._process.communicate()

    def reads(self, kind: str) -> bool:
        """It is there and knows the format."""
        return self._folder is not None and kind in ("jpeg", "png", "gif", "webp", "tiff", "avif", "svg")

    def read(self, path: Path) -> Pixels | None:
        """The pixels; None for a refused picture."""
        with self._lock:
            watch = threading.Timer(LONGEST_S, self._process.kill)
            watch.start()
            try:
                return self._answer(path)
            finally:
                watch.cancel()
                if self._process.poll() is not None:
                    self._start()

    def _answer(self, path: Path) -> Pixels | None:
        reader, writer = self._process.stdout, self._process.stdin
        if reader is None or writer is None:
            raise RuntimeError("sharp was started without pipes")
        try:
            writer.write(f"{path.absolute()}\n".encode())
            writer.flush()
            info = json.loads(reader.readline() or b"{}")
            if "width" not in info:
                return None
            shape = info["height"], info["width"], info["channels"]
            return _rgba(np.frombuffer(reader.read(int(np.prod(shape))), np.uint8).reshape(shape))
        except (OSError, ValueError):
            return None

    def _start(self) -> None:
        if self._folder:
            self._process = subprocess.Popen(
                ["node", "-e", SHARP],  # noqa: S607  node as it is installed
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )


def _rgba(pixels: Pixels) -> Pixels | None:
    """Pixels of grey or RGB with alpha as RGBA; None for inks, which sharp may leave as they are."""
    channels = pixels.shape[2]
    if channels == 2:
        return np.dstack([pixels[..., :1]] * 3 + [pixels[..., 1:]])
    return pixels if channels == 4 else None

"""Readers that run in node: sharp, and ImageMagick 7 as WebAssembly (`npm install sharp @imagemagick/magick-wasm`)."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from PIL import ImageCms

from tests.conformance.readers import LONGEST_S, Pixels, as_rgba

LOOP = """
const lines = require('readline').createInterface({input: process.stdin});
let last = Promise.resolve();
lines.on('line', line => { last = last.then(() => answer(...line.split('\\t'))).catch(error => {
  process.stdout.write(JSON.stringify({error: String(error)}) + '\\n');
}); });
const send = (info, data) => { process.stdout.write(JSON.stringify(info) + '\\n'); process.stdout.write(data); };
"""
"""A line with a path and the name of a format is answered with a line of JSON and pixels."""

SHARP = """
const sharp = require('sharp');
const answer = async path => {
  const image = sharp(path, {limitInputPixels: 1e8}).autoOrient().toColourspace('srgb').ensureAlpha();
  const {data, info} = await image.raw({depth: 'uchar'}).toBuffer({resolveWithObject: true});
  send(info, data);
};
"""

# Of an icon the largest picture is compared, of several such ones the one with most colours.
MAGICK = """
const m = require('@imagemagick/magick-wasm'), fs = require('fs'), path = require('path');
const home = path.dirname(require.resolve('@imagemagick/magick-wasm'));
const ready = m.initializeImageMagick(fs.readFileSync(path.join(home, 'x86/magick.wasm')));
const profile = new m.ColorProfile(Buffer.from(process.argv[1], 'base64'));
const largest = (one, other) => other.width * other.height - one.width * one.height
  || other.totalColors - one.totalColors;
const answer = async (file, format) => {
  await ready;
  const settings = new m.MagickReadSettings(format == 'ICO' ? {} : {frameIndex: 0, frameCount: 1});
  if (format) settings.format = format;
  m.ImageMagick.readCollection(fs.readFileSync(file), settings, images => {
    const image = [...images].sort(largest)[0];
    image.autoOrient();
    if (image.getColorProfile()) image.transformColorSpace(profile);
    image.colorSpace = m.ColorSpace.sRGB;
    const size = {width: image.width, height: image.height, channels: 4};
    image.getPixels(pixels => send(size, pixels.toByteArray(0, 0, image.width, image.height, 'RGBA')));
  });
};
"""

MAGICK_FORMATS = {
    "jpeg": "", "png": "", "gif": "", "webp": "", "tiff": "", "bmp": "", "ico": "ICO", "psd": "", "tga": "TGA",
    "pnm": "", "heic": "", "avif": "", "jxl": "", "jp2": "", "qoi": "QOI",
}  # fmt: skip
"""Names of formats that have no signature, or one that ImageMagick does not look for."""

SHARP_FORMATS = dict.fromkeys(("jpeg", "png", "gif", "webp", "tiff", "avif", "svg"), "")


class Node:
    """One process of node; a context manager ends it."""

    def __init__(self, folder: Path | None, package: str, script: str, formats: dict[str, str]) -> None:
        """folder: the parent of node_modules.  script: defines `answer`.  formats: what it calls ours."""
        is_there = folder is not None and Path(folder, "node_modules", package).is_dir() and shutil.which("node")
        self._folder, self._lock, self._formats = folder if is_there else None, threading.Lock(), formats
        self._script = LOOP + script

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._folder:
            self._process.kill()
            self._process.communicate()

    def reads(self, kind: str) -> bool:
        """It is there and knows the format."""
        return self._folder is not None and kind in self._formats

    def read(self, path: Path, kind: str) -> Pixels | None:
        """The pixels; None for a refused picture."""
        with self._lock:
            watch = threading.Timer(LONGEST_S, self._process.kill)
            watch.start()
            try:
                return self._answer(path, self._formats.get(kind, ""))
            finally:
                watch.cancel()
                if self._process.poll() is not None:
                    self._start()

    def _answer(self, path: Path, name: str) -> Pixels | None:
        reader, writer = self._process.stdout, self._process.stdin
        if reader is None or writer is None:
            raise RuntimeError("node was started without pipes")
        try:
            writer.write(f"{path.absolute()}\t{name}\n".encode())
            writer.flush()
            info = json.loads(reader.readline() or b"{}")
            if "width" not in info:
                return None
            shape = info["height"], info["width"], info["channels"]
            pixels = np.frombuffer(reader.read(int(np.prod(shape))), np.uint8).reshape(shape)
        except (OSError, ValueError):
            return None
        # sharp may leave inks as they are.
        return as_rgba(pixels) if shape[2] in (2, 4) else None

    def _start(self) -> None:
        if self._folder:
            self._process = subprocess.Popen(
                ["node", "-e", self._script, *self._arguments()],  # noqa: S607  node as it is installed
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )

    def _arguments(self) -> Sequence[str]:
        return ()


class Sharp(Node):
    """sharp, with libvips and what it is built with."""

    def __init__(self, folder: Path | None) -> None:
        super().__init__(folder, "sharp", SHARP, SHARP_FORMATS)


class Magick(Node):
    """ImageMagick 7."""

    def __init__(self, folder: Path | None) -> None:
        super().__init__(folder, "@imagemagick/magick-wasm", MAGICK, MAGICK_FORMATS)

    def _arguments(self) -> Sequence[str]:
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        return (base64.b64encode(profile).decode(),)

"""JPEG 2000 with 16 bits a channel: every bit where it is lossless, the noise that is asked for where it is not."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import run, sample
from PIL import Image

from imgsrv.imaging.codecs.decode import DecodePlan, decode, read_header
from imgsrv.imaging.codecs.encode import encode
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats.iso.media import boxes
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.model.picture import Picture
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame

CHANNELS = [1, 3, 4]


def pixels_of(channels: int, size: tuple[int, int] = (120, 81)) -> NDArray[np.uint16]:
    """A photograph of 16 bits."""
    image = sample("chelsea.png").resize(size)
    image.putalpha(Image.linear_gradient("L").resize(size))
    low = np.random.default_rng(1).integers(0, 257, (size[1], size[0], 4))
    return np.asarray((np.asarray(image) * 256.0 + low)[..., :channels], np.uint16)


def written(pixels: NDArray[np.uint16], form: str = "jp2", **output: Any) -> bytes:
    file = io.BytesIO()
    frame = Image.fromarray(pixels[..., 0]) if pixels.shape[2] == 1 else DeepFrame(pixels)
    encode(Picture((frame,), "png"), form, Output(format=form, **output), file)
    return file.getvalue()


def read(data: bytes) -> NDArray[Any]:
    frame = decode(read_header(data, Limits()), DecodePlan(is_deep=True), Limits()).frames[0]
    return frame.pixels if isinstance(frame, DeepFrame) else np.atleast_3d(np.asarray(frame))


@pytest.mark.parametrize("size", [(120, 81), (1, 1), (2, 7), (300, 1)])
@pytest.mark.parametrize("channels", CHANNELS)
def test_without_loss_every_bit_is_kept(channels: int, size: tuple[int, int]) -> None:
    pixels = pixels_of(channels, size)
    data = written(pixels, lossless=True)
    assert np.array_equal(np.reshape(imagecodecs.jpeg2k_decode(data), pixels.shape), pixels)
    assert np.array_equal(read(data), pixels)
    facts = describe_picture(data, Limits())
    assert (facts["bit_depth"], facts["has_alpha"]) == (16, channels == 4)


@pytest.mark.parametrize("quality", [20, 60, 100])
@pytest.mark.parametrize("channels", CHANNELS)
def test_with_loss_it_has_the_noise_that_is_asked_for(channels: int, quality: int) -> None:
    pixels = pixels_of(channels)
    got = np.reshape(imagecodecs.jpeg2k_decode(written(pixels, quality=quality)), pixels.shape)
    noise = 10 * np.log10(65_535**2 / np.mean((got - pixels.astype(np.float64)) ** 2))
    assert abs(noise - (25 + quality / 4)) < 1.5


def test_the_fourth_channel_is_called_alpha() -> None:
    (header,) = _contents(written(pixels_of(4), lossless=True), b"jp2h")
    (channels,) = _contents(header, b"cdef")
    # I.5.3.6: of each channel its number, its kind and the colour that it belongs to.
    assert np.frombuffer(channels, ">u2").tolist() == [4, 0, 0, 1, 1, 0, 2, 2, 0, 3, 3, 1, 0]
    assert b"cdef" not in written(pixels_of(3), lossless=True)


def _contents(data: bytes, wanted: bytes) -> list[bytes]:
    return [data[start:end] for kind, start, end in boxes(data) if kind == wanted]


TOOL = shutil.which("opj_decompress")


@pytest.mark.skipif(not TOOL, reason="OpenJPEG's tools are not installed")
def test_another_reader_reads_it(tmp_path: Path) -> None:
    pixels = pixels_of(3)
    (tmp_path / "a.jp2").write_bytes(written(pixels, lossless=True))
    command = [str(TOOL), "-i", str(tmp_path / "a.jp2"), "-o", str(tmp_path / "a.ppm")]
    subprocess.run(command, check=True, capture_output=True)
    data = (tmp_path / "a.ppm").read_bytes()
    assert np.array_equal(np.frombuffer(data[-pixels.nbytes :], ">u2").reshape(pixels.shape), pixels)


def test_a_pipeline_keeps_16_bits_into_a_jpeg_2000_and_out_of_it() -> None:
    pixels = pixels_of(3)
    there = run(written(pixels, "png"), "flip", format="jp2", lossless=True)
    assert np.array_equal(read(there), pixels[::-1])
    back = run(there, "flip", format="tiff")
    assert np.array_equal(read(back), pixels)

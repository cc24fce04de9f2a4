"""What the planes of a JPEG are at a small scale, by the definition of its transform in floating point."""

from __future__ import annotations

import io
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile

from imgsrv.imaging.codecs import turbojpeg
from imgsrv.imaging.model.limits import Size

Floats = NDArray[np.float64]

BLOCK = 8


def with_size(data: bytes, size: Size) -> bytes:
    """The JPEG with another size in its header; it must be one of as many MCUs."""
    frame = next(at for at in range(len(data)) if data[at : at + 2] in {b"\xff\xc0", b"\xff\xc2"})
    return data[: frame + 5] + size[1].to_bytes(2, "big") + size[0].to_bytes(2, "big") + data[frame + 9 :]


def small_planes(data: bytes, eighths: int) -> list[Floats]:
    """Luma and colours of a JPEG, each block by an inverse DCT of its lowest coefficients alone.

    The coefficients are found in its samples at full size, which have to be within black and white.  libjpeg-turbo
    shows all of them if the size is one of whole MCUs.
    """
    file = JpegImageFile(io.BytesIO(data))
    sides = BLOCK * max(layer[1] for layer in file.layer), BLOCK * max(layer[2] for layer in file.layer)
    size = -(-file.width // sides[0]) * sides[0], -(-file.height // sides[1]) * sides[1]
    whole = turbojpeg.decode(with_size(data, size), size, Fraction(1))
    shown = turbojpeg.decode(data, file.size, Fraction(eighths, BLOCK))
    assert whole is not None
    assert shown is not None
    found = []
    for full, wanted, table in zip((whole.luma, *whole.colours), (shown.luma, *shown.colours), (0, 1, 1), strict=True):
        samples = _small(full, np.array(file.quantization[table], float).reshape(BLOCK, BLOCK), eighths)
        found.append(samples[: wanted.shape[0], : wanted.shape[1]])
    return found


def _small(plane: NDArray[np.uint8], steps: Floats, eighths: int) -> Floats:
    rows, columns = plane.shape[0] // BLOCK, plane.shape[1] // BLOCK
    blocks = (plane.astype(float) - 128).reshape(rows, BLOCK, columns, BLOCK).transpose(0, 2, 1, 3)
    whole, small = _cosines(BLOCK), _cosines(eighths)
    # The samples are whole numbers, and the steps are larger than what that changes.
    coefficients = np.rint(whole.T @ blocks @ whole / steps) * steps
    samples = small @ coefficients[:, :, :eighths, :eighths] @ small.T * (eighths / BLOCK) + 128
    return np.asarray(samples.transpose(0, 2, 1, 3).reshape(rows * eighths, columns * eighths)).clip(0, 255)


def _cosines(size: int) -> Floats:
    """The inverse DCT as a matrix, samples by coefficients: ITU-T T.81, A.3.3."""
    at, frequency = np.mgrid[0:size, 0:size]
    scale = np.where(frequency == 0, np.sqrt(1 / size), np.sqrt(2 / size))
    return np.asarray(scale * np.cos((2 * at + 1) * frequency * np.pi / (2 * size)))

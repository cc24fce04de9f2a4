"""A process that measures the memory of codecs: `format_peaks.py [NAME…]`, as JSON.

The pictures are noise, which takes most.  It gives the most bytes for each pixel that reading and writing take, by
format and kind of file.  The rows in `imgsrv/imaging/formats/` have the largest of each format.  Reading counts the
pixels that it returns, but not the bytes of the file.  Writing counts the bytes of the file, but not the pixels that
it is given.
"""

from __future__ import annotations

import io
import json
import math
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import tifffile
from made.raw import dng
from peaks import LIBC, M_MMAP_THRESHOLD, OWN_MAPPING, PR_SET_THP_DISABLE, SMALL, apart, bounds, coloured
from PIL import Image

from imgsrv.imaging.codecs.decode import DecodePlan, decode, read_header
from imgsrv.imaging.codecs.encode import encode
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import FORMATS, WRITTEN
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.model.picture import Frame, Picture
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame

LARGE = (2003, 1501)

FASTEST, SLOWEST = {"effort": 0}, {"effort": 9}


@dataclass(frozen=True)
class Kind:
    """Pixels and what an encoder is asked for.  mode: of Pillow, or one of DeepFrame.  saved: options of Pillow.

    asked: parameters of Output.  The file is written by Pillow where `saved` is given, else by imgsrv.
    """

    mode: str
    asked: Mapping[str, Any] = field(default_factory=dict)
    saved: Mapping[str, Any] | None = None
    frames: int = 1


LZW: Mapping[str, Any] = {"compression": "lzw", "predictor": True}
MULTIPLIED: Mapping[str, Any] = {"photometric": "rgb", "extrasamples": ["assocalpha"], **LZW}
OF_PICTURES: tuple[Mapping[str, Any], ...] = ({"compression": "jpeg2000"}, {"compression": "webp"})
"""Options of tifffile, by which TIFFs are written that have a `photometric`."""

KINDS: dict[str, tuple[Kind, ...]] = {
    "jpeg": (
        *(Kind("L"), Kind("RGB"), Kind("RGBA"), Kind("RGB", {"progressive": True, "subsampling": "4:4:4"})),
        Kind("CMYK", saved={"progressive": True}),
    ),
    "png": (
        *(Kind("RGB"), Kind("RGBA"), Kind("RGBA", {"colours": 64}), Kind("RGBA", frames=3), Kind("I;16")),
        *(Kind("RGB;16"), Kind("RGBA;16")),
    ),
    "webp": (
        *(Kind("RGB", FASTEST), Kind("RGBA", FASTEST), Kind("RGBA", {"lossless": True, **FASTEST})),
        Kind("RGBA", FASTEST, frames=3),
    ),
    "avif": (
        *(Kind("RGB", FASTEST), Kind("RGBA", FASTEST), Kind("RGBA", {"lossless": True, **FASTEST})),
        *(Kind("RGBA", FASTEST, frames=3), Kind("I;16", FASTEST), Kind("RGB;16", FASTEST), Kind("RGBA;16", FASTEST)),
        Kind("RGBA;16", {"lossless": True, **FASTEST}),
    ),
    "gif": (Kind("RGB"), Kind("RGBA"), Kind("RGBA", frames=3)),
    "tiff": (
        *(Kind("RGB"), Kind("RGBA"), Kind("I;16"), Kind("RGBA;16")),
        *(Kind(mode, saved={}) for mode in ("CMYK", "LAB", "I", "F")),
        *(Kind(mode, saved={"compression": "tiff_adobe_deflate"}) for mode in ("CMYK", "F")),
        *(Kind(mode, saved=MULTIPLIED) for mode in ("RGBA", "RGBA;16")),
        *(Kind("RGB;16", saved={"photometric": "rgb", "planarconfig": "separate", **more}) for more in ({}, LZW)),
        *(Kind("RGBA", saved={"photometric": "rgb", "extrasamples": ["unassalpha"], **codec}) for codec in OF_PICTURES),
    ),
    "bmp": (
        *(Kind("L"), Kind("RGB"), Kind("RGBA"), Kind("P", saved={}), Kind("RGBA", saved={})),
        *(Kind("RGBA", saved={"made": "masks"}), Kind("RGBA", saved={"made": "masks", "is_deep": True})),
        *(Kind("L", saved={"made": "runs"}), Kind("L", saved={"made": "skipping runs"})),
    ),
    "jp2": (
        *(Kind("L"), Kind("RGB"), Kind("RGBA"), Kind("RGBA", {"lossless": True})),
        *(Kind("I;16"), Kind("RGB;16"), Kind("RGBA;16"), Kind("RGBA;16", {"lossless": True})),
    ),
    "ico": (Kind("RGBA", saved={}), Kind("RGBA", saved={"dib": True})),
    "heic": (
        *(Kind("RGB", FASTEST), Kind("RGBA", FASTEST), Kind("RGBA", {"lossless": True, **FASTEST})),
        *(Kind("I;16", FASTEST), Kind("RGB;16", FASTEST), Kind("RGBA;16", FASTEST)),
    ),
    "jxl": (
        *(Kind("RGB", FASTEST), Kind("RGBA", FASTEST), Kind("RGBA", {"lossless": True, **FASTEST})),
        *(Kind("RGB"), Kind("RGBA"), Kind("RGBA", SLOWEST), Kind("RGBA", {"lossless": True, **SLOWEST})),
        *(Kind("RGB;16", FASTEST), Kind("RGBA;16"), Kind("RGBA;16", {"lossless": True, **FASTEST})),
        *(Kind("I;16"), Kind("RGBA;16", SLOWEST), Kind("RGBA;16", {"lossless": True})),
    ),
    "svg": (Kind("RGBA", saved={}),),
    "pdf": (Kind("RGB", saved={}),),
    "raw": (Kind("RGB", saved={}), Kind("RGB", saved={"is_deep": True})),
    "pnm": (
        Kind("L", saved={}),
        Kind("RGB", saved={}),
        Kind("RGBA", saved={}),
        Kind("RGB;16", saved={"is_text": True, "is_deep": True}),
    ),
    "qoi": (Kind("RGB", saved={}), Kind("RGBA", saved={})),
    "psd": (Kind("RGB", saved={}), Kind("RGBA", saved={}), Kind("RGBA;16", saved={"is_deep": True})),
    "hdr": (Kind("RGB", saved={"is_deep": True}), Kind("RGB", saved={"is_packed": True})),
    "tga": (*(Kind(mode, saved={"compression": "tga_rle"}) for mode in ("RGB", "RGBA")), Kind("RGBA", saved={})),
}
"""Kinds of files, for which the decoders and encoders take different ways."""


def main() -> None:
    """Write the figures as JSON."""
    LIBC.mallopt(M_MMAP_THRESHOLD, OWN_MAPPING)
    LIBC.prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
    sample = Image.frombytes("RGB", LARGE, np.random.default_rng(1).bytes(3 * math.prod(LARGE)))
    for name in sys.argv[1:] or KINDS:
        for kind in KINDS[name]:
            what = {"format": name, "mode": kind.mode, **kind.asked, **(kind.saved or {}), "frames": kind.frames}
            for verb, peak in peaks(name, kind, sample):
                print(json.dumps({**what, verb: peak}), flush=True)  # noqa: T201  the answer


def peaks(name: str, kind: Kind, sample: Image.Image) -> Iterator[tuple[str, float]]:
    """Bytes for each pixel of reading, and of writing where imgsrv writes such a file."""
    FORMATS[name].register()
    small, large = (picture(kind, sample.resize(size)) for size in (SMALL, LARGE))
    output = Output(format=name if name in WRITTEN else None, **kind.asked)
    files = tuple(written(name, kind, each, output) for each in (small, large))
    yield "read", apart(partial(per_pixel, large, *(partial(read, file, name, kind) for file in files)))
    if kind.saved is None:
        yield (
            "written",
            apart(partial(per_pixel, large, *(partial(save, each, name, output) for each in (small, large)))),
        )


def per_pixel(large: Picture, warm: Any, work: Any) -> float:
    """The bytes that the work takes for each pixel of the large picture, after the same work on a small one.

    They are the most that are resident: memory that the making of the file left to the allocator counts when it is
    used again.
    """
    warm()
    return round(bounds(work)[1] / (math.prod(large.size) * len(large.frames)), 1)


def picture(kind: Kind, sample: Image.Image) -> Picture:
    """The sample as a picture of that kind.  Its frames differ, so that none of them is left out."""
    frames = tuple(frame_of(kind.mode, sample.rotate(90 * turn).resize(sample.size)) for turn in range(kind.frames))
    return Picture(frames, "png", (100,) * kind.frames if kind.frames > 1 else ())


def frame_of(mode: str, sample: Image.Image) -> Frame:
    """The sample in the mode."""
    if mode.endswith(";16"):
        levels = np.asarray(coloured(sample, {"I;16": "L"}.get(mode, mode.removesuffix(";16"))), np.uint16) * 257
        return Image.fromarray(levels) if mode == "I;16" else DeepFrame(levels)
    if mode == "LAB":
        return Image.frombytes("LAB", sample.size, sample.tobytes())
    return coloured(sample, mode)


def written(name: str, kind: Kind, picture: Picture, output: Output) -> bytes:
    """The file."""
    if name == "svg":
        width, height = picture.size
        return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"/>'.encode()
    if made := (kind.saved or {}).get("made"):
        return MAKERS[made](picture.frames[0])
    if name in WRITERS:
        return WRITERS[name](picture.frames[0], kind.saved or {})
    if name == "ico":
        return icon(picture.frames[0], is_dib="dib" in (kind.saved or {}))
    file = io.BytesIO()
    if kind.saved and "photometric" in kind.saved:
        frame = picture.frames[0]
        pixels = frame.pixels if isinstance(frame, DeepFrame) else np.asarray(frame)
        is_planar = kind.saved.get("planarconfig") == "separate"
        tifffile.imwrite(file, np.moveaxis(pixels, 2, 0) if is_planar else pixels, metadata=None, **kind.saved)
    elif kind.saved is None:
        encode(picture, name, output, file)
    else:
        picture.frames[0].save(file, FORMATS[name].pillow, **kind.saved)
    return file.getvalue()


def bitmap(frame: Frame, bits: int, code: int, pixels: bytes) -> bytes:
    """A BMP with masks of 10, 10, 10 and 2 bits, for which it may have no use."""
    fields = struct.pack("<IiiHHIIiiII", 56, *frame.size, 1, bits, code, len(pixels), 0, 0, 0, 0)
    masks = struct.pack("<4I", 0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000)
    palette = bytes(1024) if bits == 8 else b""
    at = 14 + len(fields) + len(masks) + len(palette)
    return b"BM" + struct.pack("<IHHI", at + len(pixels), 0, 0, at) + fields + masks + palette + pixels


def runs(frame: Frame, *, is_whole: bool) -> bytes:
    """A BMP whose rows are not packed; without the first pixel of each row unless they are whole."""
    rows = np.asarray(frame)
    start = b"" if is_whole else b"\0\2\1\0"
    packed = bytearray()
    for row in rows:
        packed += start
        for at in range(len(start) // 4, len(row), 254):
            part = row[at : at + 254].tobytes()
            # One or two pixels cannot be left unpacked.
            few = b"".join(bytes((1, pixel)) for pixel in part)
            packed += bytes((0, len(part))) + part + bytes(len(part) % 2) if len(part) > 2 else few
        packed += bytes(2)
    return bitmap(frame, 8, 1, bytes(packed) + b"\0\1")


MAKERS: dict[str, Callable[[Frame], bytes]] = {
    "masks": lambda frame: bitmap(frame, 32, 3, frame.tobytes()),
    "runs": partial(runs, is_whole=True),
    "skipping runs": partial(runs, is_whole=False),
}
"""Files that Pillow does not write, of a frame."""


def document(frame: Frame, _saved: Mapping[str, Any]) -> bytes:
    """A Photoshop document that says that it is transparent where it has alpha."""
    pixels = frame.pixels.astype(">u2") if isinstance(frame, DeepFrame) else np.asarray(frame)
    height, width, channels = pixels.shape
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 1, channels, height, width, 8 * pixels.itemsize, 3)
    layers = struct.pack(">IhhI", 4, -1, 0, 0)
    body = np.ascontiguousarray(np.moveaxis(pixels, 2, 0)).tobytes()
    return head + bytes(8) + struct.pack(">I", len(layers)) + layers + b"\0\0" + body


def radiance(frame: Frame, saved: Mapping[str, Any]) -> bytes:
    """A Radiance picture, plain or in runs."""
    levels = np.asarray(frame)
    quads = np.concatenate([levels, np.full_like(levels[..., :1], 128)], axis=2)
    body = quads.tobytes()
    if saved.get("is_packed"):
        body = b"".join(_rows_in_runs(quads))
    return f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {frame.height} +X {frame.width}\n".encode() + body


def _rows_in_runs(quads: Any) -> Iterator[bytes]:
    for row in quads:
        yield struct.pack(">BBH", 2, 2, len(row))
        for plane in row.T:
            yield from (
                bytes([len(plane[at : at + 128])]) + plane[at : at + 128].tobytes() for at in range(0, len(row), 128)
            )


def netpbm(frame: Frame, saved: Mapping[str, Any]) -> bytes:
    """A picture of Netpbm."""
    if not saved.get("is_text"):
        file = io.BytesIO()
        frame.save(file, "PPM")
        return file.getvalue()
    assert isinstance(frame, DeepFrame)
    return f"P3\n{frame.width} {frame.height}\n65535\n{' '.join(map(str, frame.pixels.flat))}\n".encode()


def page(frame: Frame, _saved: Mapping[str, Any]) -> bytes:
    """A PDF whose page has the size of the picture, and nothing on it."""
    points = f"{frame.width * 0.75} {frame.height * 0.75}"
    return (
        "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Count 1/Kids[3 0 R]>>endobj "
        f"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 {points}]>>endobj trailer<</Root 1 0 R>>"
    ).encode()


def sensor(frame: Frame, _saved: Mapping[str, Any]) -> bytes:
    """A file of a camera whose sensor saw the picture."""
    return dng(np.asarray(frame.convert("RGB")).astype(np.uint16) * 257)


WRITERS = {"pdf": page, "raw": sensor, "psd": document, "hdr": radiance, "pnm": netpbm}
"""Formats that are written for this measurement alone."""


def icon(frame: Frame, *, is_dib: bool) -> bytes:
    """An icon that is larger than its directory can say."""
    file = io.BytesIO()
    frame.save(file, "DIB" if is_dib else "PNG")
    data = file.getvalue()
    if is_dib:
        data = data[:8] + struct.pack("<i", 2 * frame.height) + data[12:]
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(data), 22) + data


def read(data: bytes, name: str, kind: Kind) -> Picture:
    """The picture with all its frames, and 16 bits where they are read."""
    is_deep = FORMATS[name].has_16_bits or (kind.saved or {}).get("is_deep", False)
    plan = DecodePlan(all_frames=True, is_deep=is_deep)
    return decode(read_header(data, Limits()), plan, Limits())


def save(picture: Picture, name: str, output: Output) -> bytes:
    """The file that imgsrv writes."""
    file = io.BytesIO()
    encode(picture, name, output, file)
    return file.getvalue()


if __name__ == "__main__":
    main()

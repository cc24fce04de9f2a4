"""JPEG XL for Pillow: this module reads the header, and libjxl decodes in a process of its own.

The extra `jxl` brings the encoder.

Source: ISO/IEC 18181-2 (boxes).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import IO, Any, BinaryIO

from PIL import Image, ImageFile

from imgsrv.errors import Undecodable
from imgsrv.imaging.apart.pictures import PIXEL_BYTES, Wanted, decode_apart
from imgsrv.imaging.formats.format import EncoderSettings, Fitness, Format, Options
from imgsrv.imaging.formats.iso.media import boxes
from imgsrv.imaging.formats.jxl_header import CODESTREAM, CONTAINER, HEADER_BYTES, read_jxl_header
from imgsrv.imaging.formats.jxl_writing import write_deep
from imgsrv.imaging.model.cicp import Cicp
from imgsrv.imaging.model.limits import Data
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.sixteen_bit import shallow

HIGHEST_QUALITY, DEFAULT_EFFORT = 100, 3
"""Effort 3 takes an eighth of the time of libjxl's default, 7.  At a quality of 80 its files are no larger."""

NAME = "jxl"

EXIF, XMP, PACKED = b"Exif", b"xml ", b"brob"
METADATA = (EXIF, XMP)
"""Kinds of boxes.  A packed one begins with the kind that it has unpacked."""

WRITER = "pillow_jxl"
"""The wheel with the encoder."""

BATCH_BYTES = 64 << 20
"""Bytes of frames of an animation that are decoded at a time: each batch needs the frames before it once more."""

RGB_IDENTITY = 0
"""The matrix of H.273 of pixels that are red, green and blue."""

THREADS = 0
"""Additional threads of libjxl: none, because an engine has one core."""


@dataclass(frozen=True, slots=True)
class JxlFacts:
    """The facts of a file, by libjxl.  bits: of a channel, 32 for float.  colours: 1 or 3.  has_black: it is CMYK.

    durations: of the frames of an animation, in ms.  plays: how often it plays, 0 for ever.
    cicp, profile: the colours of the decoded pixels; sRGB where there is neither.
    """

    size: tuple[int, int]
    bits: int = 8
    colours: int = 3
    has_alpha: bool = False
    has_black: bool = False
    durations: tuple[float, ...] = ()
    plays: int = 0
    cicp: Cicp | None = None
    profile: bytes = b""

    @classmethod
    def of(cls, facts: Mapping[str, Any], profile: bytes) -> JxlFacts:
        """The facts as the helper tells them.  Raises LookupError, TypeError or ValueError for nonsense."""
        width, height = map(int, facts["size"])
        codes = facts.get("cicp")
        cicp = Cicp(int(codes[0]), int(codes[1]), RGB_IDENTITY, is_full_range=True) if codes else None
        return cls(
            (width, height),
            int(facts["bits"]),
            int(facts["colours"]),
            bool(facts["has_alpha"]),
            bool(facts["has_black"]),
            tuple(map(float, facts["durations"])),
            int(facts["plays"]),
            cicp,
            profile,
        )

    @property
    def mode(self) -> str:
        """The mode of 8 bits.  CMYK has no alpha."""
        if self.has_black:
            return "CMYK"
        return ("L" if self.colours == 1 else "RGB") + ("A" if self.has_alpha else "")


class JxlFile(ImageFile.ImageFile):
    """A JPEG XL picture in Pillow.  Opening reads size, colours, frames, EXIF and XMP; `load` decodes the pixels."""

    format = "JXL"
    format_description = "JPEG XL"

    def _open(self) -> None:
        data = self.fp.read()  # type: ignore[union-attr]  # there is one while a file is opened
        beginning = data[:HEADER_BYTES] if data.startswith(CODESTREAM) else self._read_boxes(data)
        self.header = read_jxl_header(beginning)
        self._size = self.header.size
        self._mode = "RGBA" if self.header.has_alpha else "RGB"
        self.tile = []
        self._facts = JxlFacts(self._size)
        self._fault: OSError | None = None
        self._at, self._batch, self._last = 0, range(0), -1
        self._decoded: Frame | None = None
        try:
            self._learn()
        except OSError as error:
            # The size is known, and compared with the limits first.
            self._fault = error

    def _learn(self) -> None:
        """Ask libjxl for colours and frames."""
        assert self.fp is not None  # noqa: S101  for the type checker
        facts = read_jxl_facts(self.fp)
        if facts.size != self.size:
            raise OSError("its pixels are of another size than its header says")
        self._facts, self._mode = facts, facts.mode
        self.info["loop"] = facts.plays
        if facts.profile:
            self.info["icc_profile"] = facts.profile
        if facts.cicp:
            self.info["cicp"] = facts.cicp
        self.seek(0)

    @property
    def n_frames(self) -> int:
        """The number of frames, 1 for a still picture."""
        return max(1, len(self._facts.durations))

    @property
    def is_animated(self) -> bool:
        """There are several frames."""
        return self.n_frames > 1

    def seek(self, frame: int) -> None:
        """Go to a frame, counted from 0.  Raises EOFError behind the last one."""
        if not 0 <= frame < self.n_frames:
            raise EOFError("no such frame")
        if frame != self._at:
            self._im = None
        self._at = frame
        if self.is_animated:
            self.info["duration"] = self._facts.durations[frame]

    def tell(self) -> int:
        """The frame at which it stands."""
        return self._at

    def pixels(self, *, is_deep: bool) -> Frame:
        """The decoded frame.  Raises what `decode_apart` raises."""
        if self._fault is not None:
            raise self._fault
        # libjxl dithers samples of more bits to 8.
        mode = _deep_mode(self.mode) if self._facts.bits > 8 else self.mode  # noqa: PLR2004
        if self._at not in self._batch or self._decoded is None or self._decoded.mode != mode:
            self._decode(mode)
        assert self._decoded is not None  # noqa: S101  for the type checker
        if len(self._batch) == 1:
            frame, self._decoded = self._decoded, None
        else:
            top = (self._at - self._batch.start) * self.height
            frame = self._decoded.crop((0, top, self.width, top + self.height))
        return frame if is_deep else shallow(frame)

    def _decode(self, mode: str) -> None:
        """Decode the frame at which it stands, and more if the frame before was asked for too."""
        assert self.fp is not None  # noqa: S101  for the type checker
        most = max(1, BATCH_BYTES // (PIXEL_BYTES[mode] * self.width * self.height))
        count = min(most, self.n_frames - self._at) if self._at and self._last == self._at - 1 else 1
        order = {"facts": False, "first": self._at, "count": count}
        size = self.width, self.height * count
        self._decoded = decode_apart(self.fp, NAME, Wanted(NAME, mode, size, order, FORMAT.decode_bytes_per_pixel))[0]
        self._batch = range(self._at, self._at + count)
        self._last = self._batch[-1]

    def _read_boxes(self, data: bytes) -> bytes:
        """The first bytes of the codestream.  EXIF and XMP of the other boxes go to `info`."""
        beginning = b""
        packed: dict[bytes, bytes] = {}
        for kind, start, end in boxes(data):
            if kind in (b"jxlc", b"jxlp") and len(beginning) < HEADER_BYTES:
                # A partial codestream (jxlp) begins with its number, in 4 bytes.  A header may lie in several.
                beginning += data[start + (4 if kind == b"jxlp" else 0) : end][:HEADER_BYTES]
            elif kind == PACKED and data[start : start + 4] in METADATA and data[start : start + 4] not in packed:
                packed[data[start : start + 4]] = data[start + 4 : end]
            elif kind in METADATA:
                self._keep(kind, data[start:end])
        for kind, body in packed.items():
            # A picture without its metadata is still the picture.
            with suppress(OSError, Undecodable):
                self._keep(kind, _unpacked(body))
        return beginning

    def _keep(self, kind: bytes, body: bytes) -> None:
        """Put metadata into `info`."""
        if kind == XMP:
            self.info["xmp"] = body
        else:
            # The box begins with the offset of the TIFF header, in 4 bytes; some writers leave it out.
            self.info["exif"] = body if body[:2] in (b"II", b"MM") else body[4:]

    def load(self) -> Any:
        """Decode the pixels of the frame once.  Raises OSError for a broken file."""
        if self._im is None:
            self.im = self.pixels(is_deep=False).im
        return super().load()


def _unpacked(body: bytes) -> bytes:
    """The content of a packed box.  Raises OSError, and what `decode_apart` raises."""
    wanted = Wanted("brotli", "L", (1, 1), {}, 0)
    return decode_apart(io.BytesIO(body), NAME, wanted)[2]


def read_jxl_facts(file: IO[bytes]) -> JxlFacts:
    """The facts that libjxl gives about a file.  Raises OSError for a broken file."""
    _pixel, facts, profile = decode_apart(file, NAME, Wanted(NAME, "L", (1, 1), {"facts": True}, 0))
    try:
        return JxlFacts.of(facts, profile)
    except (LookupError, TypeError, ValueError) as error:
        raise OSError("its decoder's answer makes no sense") from error


def _deep_mode(mode: str) -> str:
    return {"L": "I;16", "LA": "RGBA;16", "RGB": "RGB;16", "RGBA": "RGBA;16"}.get(mode, mode)


def _durations(data: Data) -> Iterator[int]:
    yield from map(round, read_jxl_facts(io.BytesIO(data)).durations)


def _read_pixels(image: Image.Image, is_deep: bool) -> Frame | None:  # noqa: FBT001
    return image.pixels(is_deep=is_deep) if isinstance(image, JxlFile) else None


@cache
def _register() -> None:
    if find_spec(WRITER):
        # Without the line below, Pillow would use the plugin's own reader, which decodes the whole file to open it.
        from pillow_jxl import JpegXLImagePlugin  # noqa: F401, PLC0415  an optional wheel

    Image.register_open(JxlFile.format, JxlFile, lambda head: head.startswith((CODESTREAM, CONTAINER)))


def _options(settings: EncoderSettings) -> Options:
    effort = DEFAULT_EFFORT if settings.effort is None else max(1, settings.effort)
    # Quality 100 is a distance of 0, and libjxl accepts that only together with lossless.
    is_exact = settings.lossless or settings.quality == HIGHEST_QUALITY
    return {"quality": settings.quality, "lossless": is_exact, "effort": effort, "num_threads": THREADS}


def _write_still(frame: Frame, settings: EncoderSettings, metadata: Options, file: BinaryIO) -> bool:
    return write_deep(frame, settings, _options(settings), metadata, file)


def _bit_depth(_data: bytes, image: Image.Image) -> int:
    return image.header.bits if isinstance(image, JxlFile) else 0


def _attach_metadata(exif: Image.Exif, xmp: bytes) -> Options:
    options: dict[str, Any] = {"xmp": xmp} if xmp else {}
    if len(exif):
        # The box begins with the offset of the TIFF header, here 0; the plugin does not write it.
        options["exif"] = bytes(4) + exif.tobytes().removeprefix(b"Exif\0\0")
    return options


FORMAT = Format(
    name=NAME,
    label="JPEG XL",
    pillow=JxlFile.format,
    media_type="image/jxl",
    suffixes=(".jxl",),
    position=11,
    extra="jxl",
    writer=WRITER,
    register=_register,
    signatures=(CONTAINER, CODESTREAM),
    fields=("quality", "lossless", "effort"),
    default_quality=80,
    has_16_bits=True,
    is_upright=True,
    shows_animation=True,
    counts_frames=True,
    durations=_durations,
    read_pixels=_read_pixels,
    bit_depth=_bit_depth,
    options=_options,
    write_still=_write_still,
    attach_metadata=_attach_metadata,
    fitness=Fitness(photograph=1, drawing=1),
    lossless_drawings=True,
    decode_bytes_per_pixel=42,
    encode_bytes_per_pixel=92,
    slow_encode=(8, 310),
)

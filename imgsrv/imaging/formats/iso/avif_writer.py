"""Still AVIF of more than 8 bits, without loss, or with colours by H.273: by imagecodecs and OpenCV (libavif, aom).

They write neither profiles nor EXIF and XMP as they are wanted, so the boxes around their bitstreams are written here.
The layouts are those of ISO/IEC 14496-12, ISO/IEC 23008-12 (items) and of the AVIF specification, version 1.1.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from imgsrv.imaging.formats.format import EncoderSettings, Options
from imgsrv.imaging.formats.iso.media import IsoMedia, Steps
from imgsrv.imaging.formats.iso.properties import AV1
from imgsrv.imaging.lazy import cv2, np
from imgsrv.imaging.model.cicp import BT_601, MATRICES, UNSPECIFIED, Cicp
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.bit_depths import from_16_bits
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame

if TYPE_CHECKING:
    from numpy.typing import NDArray

Samples: TypeAlias = "NDArray[np.integer[Any]]"
"""(H, W, channels)."""

DEPTH, LOSSLESS_DEPTH = 10, 12
"""Bits of a channel in files that are written from 16 bits; AV1 has no more than 12."""

MOST_LOSSY, LOSSLESS = 99, 100
"""Qualities of imagecodecs, which takes the second one for lossless."""

SRGB = Cicp(1, 13)

RGB_MATRIX = 0
"""The code of no matrix."""

FULL_RANGE = 0x80
"""The bit of the box of code points."""

CODED = b"av1C", b"pixi"
"""Properties that belong to a bitstream: the configuration of its decoder, and its depth."""

BRANDS = b"avif\0\0\0\0avifmif1miaf"

COLOUR = 1
"""The number of the item that is the picture; those of alpha, EXIF and XMP follow."""

ALPHA_TYPE = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"

CHANNELS_WITH_ALPHA = 4

XMP_TYPE = b"application/rdf+xml\0"

TO_EXIF = b"\0\0\0\0"
"""Before EXIF: the bytes from here to it."""

ESSENTIAL = 0x80
"""The bit of a property that readers must understand."""


def write(frame: Frame, settings: EncoderSettings, speed: int, options: Options, file: BinaryIO) -> None:
    """Write the frame.  options: as the encoder of Pillow would get them, and `cicp`.

    speed: of libavif.  Samples of 16 bits become 10, and 12 if all of them are to be kept.
    """
    pixels = np.atleast_3d(frame.pixels if isinstance(frame, DeepFrame) else np.asarray(frame))
    depth = 8
    if pixels.dtype == np.uint16:
        depth = LOSSLESS_DEPTH if settings.lossless else DEPTH
        pixels = from_16_bits(pixels, depth)
    cicp = options.get("cicp", SRGB)
    if pixels.shape[2] == 1:
        colours, matrix = _grey(pixels, settings, speed, depth), UNSPECIFIED
    else:
        matrix = RGB_MATRIX if settings.lossless else MATRICES.get(cicp.primaries, BT_601)
        colours = _rgb(pixels[..., :3], settings, speed, depth, replace(cicp, matrix=matrix))
    alpha = _grey(pixels[..., 3:], settings, speed, depth) if pixels.shape[2] == CHANNELS_WITH_ALPHA else b""
    file.write(_composed(colours, alpha, frame.size, replace(cicp, matrix=matrix), options))


def _rgb(pixels: Samples, settings: EncoderSettings, speed: int, depth: int, cicp: Cicp) -> bytes:
    """An AVIF of three channels, without alpha, profile, EXIF and XMP."""
    import imagecodecs  # noqa: PLC0415  it takes long to load

    coded = imagecodecs.avif_encode(
        np.ascontiguousarray(pixels),
        level=LOSSLESS if settings.lossless else min(settings.quality, MOST_LOSSY),
        speed=speed,
        bitspersample=depth,
        pixelformat=settings.subsampling.replace(":", ""),
        primaries=cicp.primaries,
        transfer=cicp.transfer,
        matrix=cicp.matrix,
        # An engine owns one core.
        numthreads=1,
    )
    return bytes(coded)


def _grey(pixels: Samples, settings: EncoderSettings, speed: int, depth: int) -> bytes:
    """An AVIF of one channel by OpenCV; imagecodecs would write it without loss at any quality."""
    quality = LOSSLESS if settings.lossless else min(settings.quality, MOST_LOSSY)
    options = (cv2.IMWRITE_AVIF_QUALITY, quality, cv2.IMWRITE_AVIF_DEPTH, depth, cv2.IMWRITE_AVIF_SPEED, speed)
    _done, data = cv2.imencode(".avif", np.ascontiguousarray(pixels[..., 0]), options)
    return bytes(data)


@dataclass(frozen=True, slots=True)
class _Stored:
    """An item.  kind: of its data.  named: what follows the type.  properties: numbers of them, counted from 1."""

    kind: bytes
    data: bytes
    named: bytes = b"\0"
    properties: tuple[int, ...] = ()
    reference: bytes = b""


def _composed(colours: bytes, alpha: bytes, size: Size, cicp: Cicp, options: Options) -> bytes:
    """A file of the bitstreams of one or two files, with code points, a profile, EXIF and XMP."""
    known: list[bytes] = [_full_box(b"ispe", struct.pack(">II", *size))]
    codes = struct.pack(">HHHB", cicp.primaries, cicp.transfer, cicp.matrix, FULL_RANGE)
    meant = [_box(b"colr", b"nclx" + codes)]
    if "icc_profile" in options:
        meant.append(_box(b"colr", b"prof" + options["icc_profile"]))
    items = [_picture(colours, known, meant)]
    if alpha:
        items.append(_picture(alpha, known, [_full_box(b"auxC", ALPHA_TYPE)], b"auxl"))
    if "exif" in options:
        items.append(_Stored(b"Exif", TO_EXIF + options["exif"].removeprefix(b"Exif\0\0"), reference=b"cdsc"))
    if "xmp" in options:
        items.append(_Stored(b"mime", options["xmp"], b"\0" + XMP_TYPE, reference=b"cdsc"))
    begin = _box(b"ftyp", BRANDS)
    place = len(begin) + len(_meta(items, known, 0)) + 8
    return begin + _meta(items, known, place) + _box(b"mdat", b"".join(item.data for item in items))


def _picture(data: bytes, known: list[bytes], further: list[bytes], reference: bytes = b"") -> _Stored:
    """The picture of a file as an item.  Its depth and configuration, and further properties, are added to `known`."""
    media = IsoMedia(data, Steps())
    number = media.primary()
    own = [_box(kind, data[start:end]) for kind, (start, end) in media.properties(number) if kind in CODED]
    own += further
    uses = [len(known) + at | (ESSENTIAL if box[4:8] == CODED[0] else 0) for at, box in enumerate(own, 1)]
    known += own
    stream = b"".join(data[start:end] for start, end in media.items()[number].parts)
    return _Stored(AV1, stream, properties=(1, *uses), reference=reference)


def _meta(items: list[_Stored], known: list[bytes], place: int) -> bytes:
    """The box that describes the items.  place: where their data begins in the file."""
    infos = locations = references = associations = b""
    for number, item in enumerate(items, 1):
        infos += _full_box(b"infe", struct.pack(">HH", number, 0) + item.kind + item.named, 2)
        locations += struct.pack(">HHHII", number, 0, 1, place, len(item.data))
        place += len(item.data)
        if item.reference:
            references += _box(item.reference, struct.pack(">HHH", number, 1, COLOUR))
        if item.properties:
            associations += struct.pack(">HB", number, len(item.properties)) + bytes(item.properties)
    pictures = sum(1 for item in items if item.properties)
    properties = _box(b"ipco", b"".join(known)) + _full_box(b"ipma", struct.pack(">I", pictures) + associations)
    return _full_box(
        b"meta",
        _full_box(b"hdlr", bytes(4) + b"pict" + bytes(13))
        + _full_box(b"pitm", struct.pack(">H", COLOUR))
        + _full_box(b"iloc", struct.pack(">HH", 0x4400, len(items)) + locations)
        + _full_box(b"iinf", struct.pack(">H", len(items)) + infos)
        + (_full_box(b"iref", references) if references else b"")
        + _box(b"iprp", properties),
    )


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _full_box(kind: bytes, content: bytes, version: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", version << 24) + content)

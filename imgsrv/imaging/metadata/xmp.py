"""XMP without the properties that are no longer true of a result: a gain map, a video behind the picture, its layout.

A packet is parsed as XML and written anew, so that it does not matter how a property is spelled.  Names are those of
ISO 16684-1, of EXIF in XMP (CIPA DC-010), of Adobe's gain map specification 1.0, and of Google's Photo Sphere, Motion
Photo and Container formats.
"""

from __future__ import annotations

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping
from xml.parsers import expat

from imgsrv.imaging.model.xml_text import escaped, quoted

MOST_BYTES = 1 << 20
"""A longer packet is dropped; a JPEG holds 65 KB of it."""

MOST_DEPTH = 64
"""Most elements inside each other; those of a good packet are fewer than ten."""

STALE_NAMESPACES = (
    "http://ns.adobe.com/hdr-gain-map/1.0/",
    "http://ns.apple.com/HDRGainMap/1.0/",
    "http://ns.apple.com/pixeldatainfo/1.0/",
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.google.com/photos/1.0/depthmap/",
    "http://ns.google.com/photos/1.0/image/",
    "http://ns.google.com/photos/1.0/audio/",
    "http://ns.google.com/photos/dd/1.0/",
    # It announces further packets, which are not written.
    "http://ns.adobe.com/xmp/note/",
)
"""Beginnings of namespaces whose properties announce parts of the file that a result does not have."""

STALE: Mapping[str, tuple[str, ...]] = {
    "http://ns.google.com/photos/1.0/camera/": (
        *("MotionPhoto", "MotionPhotoVersion", "MotionPhotoPresentationTimestampUs"),
        *("MicroVideo", "MicroVideoVersion", "MicroVideoOffset", "MicroVideoPresentationTimestampUs"),
    ),
    "http://ns.adobe.com/tiff/1.0/": (
        *("ImageWidth", "ImageLength", "BitsPerSample", "Compression", "PhotometricInterpretation", "Orientation"),
        *("SamplesPerPixel", "PlanarConfiguration", "YCbCrSubSampling", "YCbCrPositioning", "YCbCrCoefficients"),
        *("TransferFunction", "WhitePoint", "PrimaryChromaticities", "ReferenceBlackWhite", "NativeDigest"),
    ),
    "http://ns.adobe.com/exif/1.0/": (
        *("ColorSpace", "PixelXDimension", "PixelYDimension", "ComponentsConfiguration", "CompressedBitsPerPixel"),
        *("Gamma", "MakerNote", "NativeDigest"),
    ),
    "http://ns.adobe.com/photoshop/1.0/": ("ICCProfile", "ColorMode"),
    "http://ns.adobe.com/xap/1.0/": ("Thumbnails",),
}
"""Properties that describe the pixels of the file that came."""

RESHAPED_NAMESPACES = (
    "http://ns.google.com/photos/1.0/panorama/",
    "http://www.metadataworkinggroup.com/schemas/regions/",
    "http://ns.microsoft.com/photo/1.2/",
)
"""Beginnings of namespaces whose properties give places in the picture."""

RESHAPED: Mapping[str, tuple[str, ...]] = {"http://iptc.org/std/Iptc4xmpExt/2008-02-29/": ("ImageRegion",)}
"""Properties that give places in the picture."""


class _Unreadable(Exception):
    """A packet that is not rewritten."""


def true_xmp(packet: bytes, *, is_reshaped: bool) -> bytes:
    """The packet without stale properties, itself where it has none, and empty where it cannot be read.

    is_reshaped: pixels do not have the places that they came with.  A packet with a document type declaration, of more
    than MOST_BYTES or of too many nested elements counts as unreadable.
    """
    if not packet.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        # Some writers end a packet as a text of C.
        packet = packet.rstrip(b"\0")
    if not packet or len(packet) > MOST_BYTES:
        return b""
    rewriting = _Rewriting(is_reshaped=is_reshaped)
    try:
        rewriting.parse(packet)
    except (_Unreadable, expat.ExpatError, LookupError, ValueError):
        return b""
    return "".join(rewriting.written).encode() if rewriting.has_dropped else packet


class _Rewriting:
    """One pass over a packet.  written: the parts of the new one.  has_dropped: something of the old one is missing.

    _namespaces: for each prefix, the innermost last.  _open: the prefixes that each open element declares.
    """

    def __init__(self, *, is_reshaped: bool) -> None:
        self.written: list[str] = []
        self.has_dropped = False
        self._is_reshaped = is_reshaped
        self._namespaces: dict[str, list[str]] = {}
        self._open: list[list[str]] = []
        self._dropped_depth = 0

    def parse(self, packet: bytes) -> None:
        """Raises _Unreadable, and what expat raises."""
        parser = expat.ParserCreate()
        parser.ordered_attributes = parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.CommentHandler = lambda text: self._add(f"<!--{text}-->")
        parser.ProcessingInstructionHandler = lambda target, text: self._add(f"<?{target} {text}?>")
        parser.Parse(packet, True)

    def _refuse(self, *_of_the_declaration: object) -> None:
        raise _Unreadable

    def _start(self, name: str, given: list[str]) -> None:
        if len(self._open) == MOST_DEPTH:
            raise _Unreadable
        pairs = list(zip(given[::2], given[1::2], strict=True))
        declared = {key.partition(":")[2]: value for key, value in pairs if key.partition(":")[0] == "xmlns"}
        for prefix, namespace in declared.items():
            self._namespaces.setdefault(prefix, []).append(namespace)
        self._open.append(list(declared))
        if self._dropped_depth or self._is_stale(name):
            self._dropped_depth += 1
            self.has_dropped = True
            return
        kept = [(key, value) for key, value in pairs if not self._is_stale_attribute(key, value)]
        self.has_dropped = self.has_dropped or len(kept) < len(pairs)
        self._add(f"<{name}{''.join(f' {key}={quoted(value)}' for key, value in kept)}>")

    def _end(self, name: str) -> None:
        for prefix in self._open.pop():
            self._namespaces[prefix].pop()
        if self._dropped_depth:
            self._dropped_depth -= 1
        else:
            self._add(f"</{name}>")

    def _text(self, text: str) -> None:
        self._add(escaped(text))

    def _add(self, text: str) -> None:
        if not self._dropped_depth:
            self.written.append(text)

    def _is_stale_attribute(self, key: str, value: str) -> bool:
        if key.startswith("xmlns:"):
            return value.startswith(STALE_NAMESPACES)
        # A default namespace does not hold for attributes.
        return ":" in key and self._is_stale(key)

    def _is_stale(self, name: str) -> bool:
        prefix, colon, local = name.rpartition(":")
        known = self._namespaces.get(prefix if colon else "")
        namespace = known[-1] if known else ""
        if namespace.startswith(STALE_NAMESPACES) or local in STALE.get(namespace, ()):
            return True
        return self._is_reshaped and (namespace.startswith(RESHAPED_NAMESPACES) or local in RESHAPED.get(namespace, ()))

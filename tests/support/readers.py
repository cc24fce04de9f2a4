"""Every reader of a client's bytes that the package has written itself, as one function from bytes each.

`tests/test_worst_cases.py` gives each of them 100 KB of its worst, `tests/fuzz` anything at all.  A new function of the
package that reads belongs into `covers` of a row, or into NOT_FROM_CLIENTS with the reason.
"""

from __future__ import annotations

import ast
import asyncio
import gzip
import io
import json
import mmap
import os
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from importlib.util import find_spec
from itertools import islice
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock
from unittest.mock import patch

import numpy as np
from attacks import ATTACK_BYTES, PACKAGE
from made import tiff
from made.jpeg2000 import defined, enumerated, jp2, mapped, palette, profiled
from pictures import animation, encoded, picture
from PIL import Image, PngImagePlugin
from seeds.read_only import PSD_HEAD, READ_ONLY, document

from imgsrv.errors import ImgsrvError, RequestError
from imgsrv.imaging.apart import pictures as apart_pictures
from imgsrv.imaging.codecs.decode import DecodePlan, decode, read_header
from imgsrv.imaging.codecs.frame_durations import read_durations
from imgsrv.imaging.codecs.header_check import check_header
from imgsrv.imaging.codecs.native import jpeg as own_jpeg
from imgsrv.imaging.codecs.native.interface import Info
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.colour.icc import P3, is_usable
from imgsrv.imaging.formats import FORMATS, KNOWN
from imgsrv.imaging.formats.gain_maps.container import read_gain_map, with_gain_map, with_terms
from imgsrv.imaging.formats.gain_maps.iso_terms import SIGNATURE as ISO_SIGNATURE
from imgsrv.imaging.formats.iso.av1 import coded_sizes
from imgsrv.imaging.formats.iso.media import IsoMedia, Steps
from imgsrv.imaging.formats.iso.properties import read_item, read_track
from imgsrv.imaging.formats.jp2_header import read_jp2_header
from imgsrv.imaging.formats.jpeg_parts.scans import find_segments, read_frame_kind, read_scans, with_end
from imgsrv.imaging.formats.jxl_header import read_jxl_header
from imgsrv.imaging.formats.svg.safe_drawing import SafeDrawing
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.lettering.bidi import embedding_levels
from imgsrv.imaging.metadata.exif import written_metadata
from imgsrv.imaging.metadata.summary import xmp_summary
from imgsrv.imaging.metadata.utf8_tags import with_plain_texts
from imgsrv.imaging.model.gain_map import GainTerms
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.model.number_lists import parse_corners, parse_curve, parse_kernel, parse_matrix
from imgsrv.imaging.model.parameter_types import parse_aspect, parse_colour, parse_opaque_colour, parse_target
from imgsrv.imaging.model.picture import Metadata
from imgsrv.imaging.operations.colour.lut import _parse as parse_cube
from imgsrv.imaging.operations.overlay.covers import _parse_boxes as parse_boxes
from imgsrv.imaging.pipelines.pipeline import Pipeline, parse_pipeline
from imgsrv.jobs.facts import input_place, plan_facts
from imgsrv.jobs.job import DescribeJob, Input, ProcessJob, read_answer, read_job
from imgsrv.jobs.variants import parse_variants
from imgsrv.pool.control.control_socket import Client, _request
from imgsrv.settings import Settings
from imgsrv.web.accept import offers, prefers, takes_gzip
from imgsrv.web.access.access import Access, _token
from imgsrv.web.access.keys import Keys, make_key
from imgsrv.web.access.limits import Limiter
from imgsrv.web.access.local import is_local
from imgsrv.web.access.presets import Presets
from imgsrv.web.access.rules import Rules
from imgsrv.web.access.signatures import Secrets, is_signed, sign, unsigned
from imgsrv.web.cache.entry import HEADER, BadEntry, Entry, is_whole, pack, split, unpack
from imgsrv.web.cache.key import accepted_formats
from imgsrv.web.cache.validity import is_known, validity_of, wants_no_store
from imgsrv.web.cache.versions import _read as read_version
from imgsrv.web.http.protocol import Parser
from imgsrv.web.http.proxy_headers import BadProxyHeader, Proxies, read_preface
from imgsrv.web.multipart import BodyText, find_parts
from imgsrv.web.problems import problem, request_id_of
from imgsrv.web.query import parse_batch, parse_info, parse_operation, parse_operations
from imgsrv.web.routes.document import _has as has_tag
from imgsrv.web.sources.conversation import BadAnswer, Conversation
from imgsrv.web.sources.naming import masked, split_sources
from imgsrv.web.sources.urls import Url, parse_url
from imgsrv.web.state import KEY, RequestState
from imgsrv.web.tracing import Tracing

ANY_KEY, TOKEN = make_key("a", None, None, None, operator=False)
KEYS, SECRETS = Keys([ANY_KEY]), Secrets({"a": b"0123456789abcdef"})
PRESETS = Presets({"grey": "ops=grayscale", "small": "ops=resize:width=9&format=png"})

LIMITS = Limits(max_pixels=1_000_000, max_frames=64)

MOST_TURNS = 100
"""Requests on the control socket that are answered of one input."""

JSON_FAULTS = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What a reader of JSON raises that expects certain fields."""

Attack = tuple[bytes, bytes, bytes]


@dataclass(frozen=True)
class Reader:
    """A reader.  covers: its functions, without `imgsrv.`.  errors: the ones that it documents.

    seeds: small good inputs.  attacks: what stands in front, is repeated and stands behind, besides those that
    `attacks_on` makes of the seeds.
    """

    name: str
    read: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]
    seeds: tuple[bytes, ...]
    covers: tuple[str, ...] = ()
    attacks: tuple[Attack, ...] = ()
    words: tuple[bytes, ...] = ()


def outcome(reader: Reader, data: bytes) -> str:
    """What becomes of the data: the result's type, or the documented error.  Any other exception passes."""
    try:
        return type(reader.read(data)).__name__
    except reader.errors as error:
        # A client can be told of it, whatever it holds.
        if isinstance(error, ImgsrvError):
            json.dumps(problem(error, "id"), ensure_ascii=False).encode(errors="replace")
        return f"{type(error).__name__}: {error}"


def attacks_on(reader: Reader, most: int = 60) -> Iterator[Attack]:
    """The attacks of the row, and parts of its seeds many times over, evenly chosen."""
    yield from reader.attacks
    made = [
        (seed[:at], seed[at : at + size], seed[at + size :])
        for seed in reader.seeds
        for at in range(len(seed))
        for size in (1, 2, 5, 12, len(seed))
    ]
    yield from islice(made, 0, None, max(1, len(made) // most))


def filled(attack: Attack, size: int = ATTACK_BYTES) -> bytes:
    """The bytes of an attack."""
    before, pump, behind = attack
    return before + pump * max(1, (size - len(before) - len(behind)) // len(pump)) + behind


# ---- pictures ------------------------------------------------------------------------------------------


def _in_memory(data: bytes, read: Callable[[int], object]) -> object:
    file = os.memfd_create("reader")
    try:
        os.pwrite(file, data, 0)
        return read(file)
    finally:
        os.close(file)


def _check_header(data: bytes) -> object:
    return _in_memory(data, lambda file: check_header(file, 0, len(data), LIMITS))


def _durations(name: str) -> Callable[[bytes], object]:
    return lambda data: read_durations(KNOWN[name], 1, data, LIMITS)


def _describe(data: bytes) -> object:
    return describe_picture(data, LIMITS, ("gps",))


def _decode(data: bytes) -> object:
    return decode(read_header(data, LIMITS), DecodePlan(), LIMITS)


def _decode_here(data: bytes) -> object:
    """Decode in this process, whose memory a fuzzer limits, and not in a helper."""
    with mock.patch.object(apart_pictures, "is_warm", return_value=False):
        return _decode(data)


def _decode_all(data: bytes) -> object:
    _describe(data)
    return decode(read_header(data, LIMITS), DecodePlan(all_frames=True), LIMITS)


def _own_planes(data: bytes) -> object:
    """The planes of a JPEG by the decoder of `native/`, where imgsrv was installed with it, or why it is refused."""
    if own_jpeg._library is None:
        return own_jpeg.WHY_MISSING
    source, info = np.frombuffer(data, np.uint8), Info()
    own_jpeg._library.imgsrv_jpeg_header(source.ctypes.data, source.size, 4, None, info)
    return own_jpeg.decode(data, (info.width, info.height), own_jpeg.LARGEST)


def _scans(data: bytes) -> object:
    found = list(find_segments(bytearray(data)))
    kind, plain = read_frame_kind(io.BytesIO(data)), FORMATS["jpeg"].plain(data)
    return found, kind, plain, with_end(data) is None, read_scans(data).are_all(data)


ONE, NONE = (Fraction(1),), (Fraction(0),)

GAINS = GainTerms(NONE, (Fraction(3),), ONE, NONE, NONE, Fraction(0), Fraction(3))


def _one_denominator(picture: bytes) -> bytes:
    """A gain map whose numbers have one denominator."""
    content = ISO_SIGNATURE + struct.pack(">HHBIIIiiIii", 0, 0, 72, 64, 0, 128, -64, 192, 64, 1, 2)
    return picture[:2] + struct.pack(">HH", 0xFFE2, len(content) + 2) + content + picture[2:]


def _only_xmp(gain_map: bytes) -> bytes:
    """A gain map whose metadata of ISO 21496-1 no reader knows."""
    return gain_map.replace(b"urn:iso", b"urn:osi")


def _read_tiff(data: bytes) -> object:
    describe_picture(data, LIMITS)
    # In this process, because one that fuzzes has no room for a helper's memory.
    with patch("imgsrv.imaging.apart.pictures.is_warm", return_value=False):
        return decode(read_header(data, LIMITS), DecodePlan(is_deep=True), LIMITS)


def _xmp(data: bytes) -> object:
    told = xmp_summary(cast("Image.Image", SimpleNamespace(info={"xmp": data})))
    written_metadata(FORMATS["png"], Metadata(Image.Exif(), data), "keep")
    return told


def _boxes(data: bytes) -> object:
    media = IsoMedia(data, Steps())
    return len(media.items()) + sum(1 for samples in media.tracks(b"av01") for _ in samples)


def _stated(data: bytes) -> object:
    return read_item(IsoMedia(data, Steps())), read_track(IsoMedia(data, Steps()))


def _drawing(data: bytes) -> object:
    drawing = SafeDrawing(data)
    return drawing.size, drawing.text, drawing.pictures


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png_with_texts() -> bytes:
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    texts.add_text("Comment", "a text")
    return encoded(picture("RG/BY"), "PNG", pnginfo=texts)


PNG_START = b"\x89PNG\r\n\x1a\n"


def _png_with_colours() -> bytes:
    """A PNG with every chunk that tells colours, and a transparent one."""
    plain = encoded(STILL, "PNG")
    chunks = (
        _chunk(b"gAMA", struct.pack(">I", 45_455)),
        _chunk(b"cHRM", struct.pack(">8I", 31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)),
        _chunk(b"sRGB", b"\0"),
        _chunk(b"iCCP", b"n\0\0" + zlib.compress(bytes(200))),
        _chunk(b"cICP", bytes((12, 13, 0, 1))),
        _chunk(b"tRNS", bytes(6)),
    )
    return plain[:33] + b"".join(chunks) + plain[33:]


def _png_of_16_bits() -> bytes:
    header = struct.pack(">IIBBBBB", 2, 1, 16, 6, 0, 0, 0)
    pixels = _chunk(b"IDAT", zlib.compress(bytes(17)))
    return PNG_START + _chunk(b"IHDR", header) + pixels + _chunk(b"IEND", b"")


def _bitmap_header(bits: int, code: int = 0, side: int = 300) -> bytes:
    """A BMP of version 5 without its pixels."""
    fields = struct.pack("<IiiHHIIiiII", 124, side, side, 1, bits, code, 0, 0, 0, 0, 0)
    masks = struct.pack("<4I", 0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000)
    # The primaries and the gamma are those of sRGB.
    points = struct.pack("<9I", *(round(part * 2**30) for part in (0.64, 0.33, 0.03, 0.3, 0.6, 0.1, 0.15, 0.06, 0.79)))
    rest = masks + bytes(4) + points + struct.pack("<3I", *[144_179] * 3)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 14 + 124) + (fields + rest).ljust(124, b"\0")


def _masked_bitmap() -> bytes:
    return _bitmap_header(32, 3, 2) + bytes(range(16))


def _bitmap_of_runs() -> bytes:
    return _bitmap_header(4, 2, 5) + b"\3\x12\0\3\x12\x30\0\0\0\2\1\1\2\x11\0\1"


def _icon_of_bitmaps() -> bytes:
    """Two bitmaps of 2×2: 1 bit a pixel with its mask, and 32 bits."""
    one = struct.pack("<IiiHHIIiiII", 40, 2, 4, 1, 1, 0, 0, 0, 0, 0, 0) + bytes(8) + bytes(16)
    other = struct.pack("<IiiHHIIiiII", 40, 2, 4, 1, 32, 0, 0, 0, 0, 0, 0) + bytes(range(16)) + bytes(8)
    entries = ((len(one), 38), (len(other), 38 + len(one)))
    directory = b"".join(struct.pack("<BBBBHHII", 2, 2, 0, 0, 1, 32, *entry) for entry in entries)
    return b"\0\0\1\0\2\0" + directory + one + other


def _progressive_of(width: int, height: int) -> bytes:
    """A grey progressive JPEG up to its first scan; its tables are those of a small one."""
    data = encoded(picture("RG/BY", "L"), "JPEG", progressive=True)
    frame = data.index(b"\xff\xc2") + 5
    return data[:frame] + struct.pack(">HH", height, width) + data[frame + 4 : data.index(b"\xff\xda")]


def _tagged_jpeg() -> bytes:
    exif = Image.Exif()
    exif.update({0x010E: "a text", 0x0112: 6, 0x8298: "somebody"})
    return encoded(picture("RG/BY"), "JPEG", exif=exif.tobytes())


def _made(name: str, image: Image.Image) -> tuple[bytes, ...]:
    """A file of the format, where it can be written here."""
    return (encoded(image, KNOWN[name].pillow),) if name in FORMATS else ()


STILL, MOVING = picture("RG/BY"), [picture("RG/BY"), picture("YB/GR")]

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:tiff="http://ns.adobe.com/tiff/1.0/">'
    b'<rdf:Description tiff:Orientation="6" xmp:Rating="3">'
    b'<dc:title><rdf:Alt><rdf:li xml:lang="x-default">A &amp; B &#233;</rdf:li></rdf:Alt></dc:title>'
    b"<tiff:Orientation>6</tiff:Orientation></rdf:Description></rdf:RDF></x:xmpmeta>"
)

SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="1.5e1mm" height="20" viewBox="0 0 30,20">'
    b'<style>text { font-family: "A"; fill: red }</style><g style="font: 3px B"><rect width="9" height="9"/></g>'
    b'<image href="data:image/png;base64,iVBORw0KGgo="/><text font-family="C">x</text></svg>'
)

SVG_NESTED = (
    b"<?xml version='1.0' encoding='windows-1252'?><svg><svg style='transform:rotate(9deg)'/><image "
    b"href='data:image/svg+xml,&lt;svg viewBox=%220 0 9 9%22>"
    b"&lt;image href=%22data:;base64,R0lGODlh%22/>&lt;/svg>'/></svg>"
)

SVG_BOMB = gzip.compress(b"<svg><style>" + b" font:" * 530_000 + b"</style></svg>", mtime=0)
"""3.2 MB in 3 KB: within a file of 100 KB it may unpack to that much."""

SVG_ENTITIES = b'<!DOCTYPE svg [<!ENTITY a "red">]><svg xmlns="http://www.w3.org/2000/svg" fill="&a;"><g/></svg>'

JP2, J2K = encoded(picture("RG/BY"), "JPEG2000"), encoded(picture("RG/BY"), "JPEG2000", no_jp2=True)
JP2_LAB = jp2(J2K, enumerated(14, 100, 0, 255, 128, 255, 128))
JP2_PALETTE = jp2(
    encoded(picture("RG/BY", "L"), "JPEG2000", no_jp2=True),
    *(palette([[1, 2], [3, 4], [5, 6], [7, 8]]), mapped(*((0, 1, column) for column in range(4)))),
    *(defined((0, 0, 1), (1, 0, 3), (2, 0, 2), (3, 1, 0)), profiled(bytes(16) + b"RGB " + bytes(108))),
)

JXL_BARE = b"\xff\x0a\x00\x10\x08\x08\x06\x00" + bytes(24)
JXL_BOXES = b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl \0\0\0\x0cExif\0\0\0\0\0\0\0\x28jxlc" + JXL_BARE

PICTURES = tuple(
    file for name in ("jpeg", "png", "gif", "webp", "bmp", "tiff", "ico", "jp2", "avif") for file in _made(name, STILL)
)


# ---- requests ------------------------------------------------------------------------------------------


def _entry(data: bytes) -> object:
    header, body = split(data)
    is_good = len(header) == HEADER.size and is_whole(bytes(32), memoryview(data))
    found = unpack(bytes(32), header, body)
    assert is_good
    return found


def _text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    """A reader of text, which comes as Latin-1 from a header."""
    return lambda data: read(data.decode("latin-1"))


def _query(data: bytes) -> object:
    """All four parsers; each raises for what is not its own.  Past their caches, which are bounded."""
    text, taken = data.decode("latin-1"), []
    for parse in (partial(parse_operation.__wrapped__, "resize"), parse_batch.__wrapped__, parse_info.__wrapped__):
        with suppress(RequestError):
            taken.append(parse(text))
    return taken[0] if taken else parse_operations.__wrapped__(text)


def _sources(text: str) -> object:
    masked(text)
    return split_sources(text)


def _url(text: str) -> object:
    return parse_url(text), Url("https", "example.com", 443, "/a/b", "").joined(text)


def _far_answer(data: bytes) -> object:
    """The bytes of another server, in two pieces, up to the end of the connection."""

    async def read() -> object:
        conversation = Conversation()
        nothing = cast("Any", SimpleNamespace(**dict.fromkeys(FAR_CALLS, lambda *_bytes: None)))
        conversation.connection_made(nothing)
        asking = asyncio.ensure_future(conversation.ask(b"GET / HTTP/1.1\r\n\r\n"))
        await asyncio.sleep(0)
        for piece in (data[: len(data) // 2], data[len(data) // 2 :]):
            conversation.data_received(piece)
        conversation.eof_received()
        conversation.connection_lost(None)
        head = await asking
        await conversation.read(lambda _piece: None, most=1 << 20, rate=0, period_s=9.0)
        return head

    return asyncio.run(read())


FAR_CALLS = ("resume_reading", "pause_reading", "write", "abort")


def _values(text: str) -> object:
    taken = 0
    for parse in (
        *(parse_colour, parse_opaque_colour, parse_aspect, parse_target, parse_matrix, parse_kernel, parse_curve),
        *(parse_corners, parse_boxes),
    ):
        with suppress(ValueError):
            parse(text)
            taken += 1
    return taken


def _parts(data: bytes) -> object:
    if not data:
        return None

    def read(file: int) -> object:
        with BodyText(file, len(data), prot=mmap.PROT_READ) as text:
            return find_parts(text, "multipart/form-data; boundary=XX")

    return _in_memory(data, read)


def _content_type(data: bytes) -> object:
    def read(file: int) -> object:
        with BodyText(file, len(FORM), prot=mmap.PROT_READ) as text:
            return find_parts(text, data.decode("latin-1"))

    return _in_memory(FORM, read)


def _accept(text: str) -> object:
    return offers(text, "heic", ("avif", "webp", "jpeg")), prefers(text, "application/zip", "multipart/mixed")


def _forwarded(data: bytes) -> object:
    scope: dict[str, Any] = {"headers": [(b"x-forwarded-for", data)], "client": ("10.0.0.1", 1)}
    Proxies("10.0.0.0/8,::1").forwarded(scope)
    return scope["client"]


def _signed(data: bytes) -> object:
    return SECRETS.check("GET", b"/flip", data, 0.0), is_signed(data), unsigned(data)


def _entered(data: bytes) -> object:
    """The headers that say who asks, and from where."""
    shown = _token([(b"authorization", b"Bearer " + data)]), _token([(b"x-api-key", data)])
    access = Access(Rules(), Limiter(None, cast("Any", None), cast("Any", None)), Settings())
    return KEYS.find(shown[0] or ""), KEYS.find(shown[1] or ""), access._network_of(data.decode("latin-1"))


def _located(data: bytes) -> object:
    """The headers that say for which host a program asks, and from which page."""
    here = ("127.0.0.1", 1)
    return is_local(here, [(b"host", data)]), is_local(here, [(b"host", b"localhost"), (b"origin", b"http://" + data)])


class _Wire:
    """The connection of a parser that nobody listens to."""

    blocked = None

    def __init__(self) -> None:
        self.refused: list[str] = []

    def refuse(self, error: ImgsrvError, _request_id: str = "") -> None:
        self.refused.append(error.code)

    def is_closing(self) -> bool:
        return True

    def nothing(self, *_arguments: object) -> None:
        """Every other method."""

    write = close = pause_reading = resume_reading = head_complete = answered = body_wanted = body_ended = nothing


class _Loop:
    """Begins no task."""

    def create_task(self, work: Any) -> Any:
        work.close()
        return SimpleNamespace(add_done_callback=lambda _call: None)


def _http(data: bytes) -> object:
    wire, settings = _Wire(), SimpleNamespace(max_header=32_768)
    host = SimpleNamespace(
        settings=settings, proxies=Proxies(""), files=None, loop=_Loop(), tasks=set(), app=None, quick=None, log=None
    )
    host.refusal = lambda _client: None
    parser = Parser(cast("Any", wire), cast("Any", host), ("10.0.0.1", 1), ("10.0.0.2", 80))
    # In two pieces, as from a network.
    for piece in (data[: len(data) // 2], data[len(data) // 2 :]):
        if not wire.refused:
            parser.feed(piece)
    parser.closed()
    return wire.refused


def _trace(data: bytes) -> object:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415  optional

    parent, _, state = data.partition(b"\n")
    body = cast("Any", SimpleNamespace(expected=0))
    scope = {
        "headers": [(b"traceparent", parent), (b"tracestate", state)],
        "method": "POST",
        "path": "/resize",
        "query_string": data,
        "scheme": "http",
        "client": None,
        "http_version": "1.1",
        KEY: RequestState("id", body, 0.0),
    }
    traces = SimpleNamespace(
        add=lambda headers, *_spans: str(TraceContextTextMapPropagator().extract(headers)), close=None
    )
    return Tracing(cast("Any", traces), cast("Any", lambda *about: about)).add(scope, 200, (0, 0), 0.0)


FORM = b'--XX\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\npicture\r\n--XX--\r\n'

HEAD = (
    b"POST /resize?width=3 HTTP/1.1\r\nHost: x\r\nX-Request-Id: a.1\r\nAccept: image/webp, */*;q=0.1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
)


# ---- between processes ---------------------------------------------------------------------------------


def _control(data: bytes) -> object:
    """The bytes on the control socket, each request answered."""
    ours, theirs = socket.socketpair()
    answered = 0
    try:
        ours.setblocking(False)
        theirs.setblocking(False)
        client = Client(theirs, lambda _client, _events: None, time.monotonic)
        for at in range(0, len(data), 50_000):
            with suppress(BlockingIOError):
                ours.send(data[at : at + 50_000])
            client.serve()
            # Of a client the loop answers one request in a turn.
            while answered < MOST_TURNS and (line := client.request()) is not None:
                answered += 1
                try:
                    _request(line)
                except JSON_FAULTS as error:
                    client.failed(f"{error}"[:500])
                else:
                    client.done()
                with suppress(BlockingIOError):
                    ours.recv(1 << 20)
        return answered
    finally:
        ours.close()
        theirs.close()


def _job(data: bytes) -> object:
    facts = plan_facts(data, data)
    assert isinstance(facts, dict)
    with suppress(*JSON_FAULTS, OverflowError, OSError):
        _in_memory(data, lambda file: input_place(file, data))
    return read_job(data)


ANY_JOB = ProcessJob(
    Input(0, 1, {"mark": (1, 2)}), Pipeline.parse("resize:width=3/sharpen"), Output(format="png"), "id"
)

JOBS = (ANY_JOB.to_bytes(), DescribeJob(Input(0, 5), ("palette",), "id").to_bytes())


# ---- the table -----------------------------------------------------------------------------------------

READERS = (
    Reader(
        "header check",
        _check_header,
        (RequestError,),
        (*PICTURES, *((SVG,) if "svg" in FORMATS else ()), *((JXL_BARE, JXL_BOXES) if "jxl" in FORMATS else ())),
        (
            *("imaging.formats.gif._size", "imaging.formats.png.read_size", "imaging.formats.png._skipped"),
            "imaging.formats.webp._size",
            *(
                "imaging.formats.jpeg_parts.header.skipped_bytes",
                "imaging.formats.jpeg_parts.header.read_size",
                "imaging.formats.iso.media.has_brand",
            ),
        ),
        (
            (b"\xff\xd8\xff", b"\xff", b""),
            (b"\xff\xd8", b"\xff\xe1\0\2", b"\xff\xc0"),
            (b"\xff\xd8", b"\xff\xe1\0\3\0", b"\xff\xc0\0\x11"),
            (
                b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)),
                _chunk(b"teXt", b""),
                b"",
            ),
            (b"GIF89a\1\0\1\0\0\0\0", b"!\xfe\0", b","),
            (b"\0\0\xff\xffftyp", b"abcd", b""),
            (b"<!--", b"<svg", b""),
            (b"", b" ", b"<svg"),
        ),
    ),
    Reader(
        "picture, its facts and metadata",
        _describe,
        (RequestError,),
        (_tagged_jpeg(), _png_with_texts(), *PICTURES),
        (*("imaging.metadata.summary._number", "imaging.formats.jp2._bit_depth"),),
        (
            (b"II*\0\x08\0\0\0\xff\xff", b"\x0f\1\2\0\1\0\0\0\0\0\0\0", b""),
            (b"MM\0*\0\0\0\x08\xff\xff", b"\1\0\0\4\0\0\0\1\0\0\0\1", b""),
            (b"\xff\xd8", b"\xff\xed\0\x12Photoshop 3.0\0" + bytes(2), b""),
            (b"\0\0\1\0\xff\xff", b"\1\1\0\0\1\0\x20\0\x28\0\0\0\x16\0\0\0", b""),
        ),
    ),
    Reader(
        "planes of a JPEG",
        _own_planes,
        (),
        (encoded(STILL, "JPEG"), encoded(STILL, "JPEG", progressive=True, restart_marker_blocks=2)),
        attacks=(
            (b"\xff\xd8", b"\xff", b""),
            (b"\xff\xd8", b"\xff\xfe\0\2", b""),
            # Empty scans of a picture of as many blocks as 100 KB may have.
            (_progressive_of(7000, 7000), b"\xff\xda\0\x08\1\1\0\1\x3f\0", b""),
        ),
        words=(b"\xff\xd8", b"\xff\xda", b"\xff\xc2", b"\xff\xd0", b"\xff\xd9", b"\xff\0"),
    ),
    Reader(
        "scans of a JPEG",
        _scans,
        (),
        (encoded(STILL, "JPEG"), encoded(STILL, "JPEG", progressive=True, restart_marker_blocks=2)[:-2]),
        (
            *("imaging.formats.jpeg_parts.scans.read_scans", "imaging.formats.jpeg_parts.scans.read_frame_kind"),
            *("imaging.formats.jpeg_parts.scans.find_segments", "imaging.formats.jpeg_parts.scans._read_frame"),
            *("imaging.formats.jpeg_parts.scans._takes", "imaging.formats.jpeg_parts.header.read_plain"),
        ),
        (
            (b"\xff\xd8", b"\xff", b""),
            (b"\xff\xd8", b"\xff\xfe\0\2", b""),
            (b"\xff\xd8", b"\xff\xdd\0\4\0\1", b""),
            (b"\xff\xd8\xff\xc2\0\x0b\x08\0\1\0\1\1\1\x11\0", b"\xff\xda\0\x08\1\1\0\1\x3f\0", b""),
            (b"\xff\xd8\xff\xc0\0\x0b\x08\0\1\0\1\1\1\x11\0\xff\xda\0\x08\1\1\0\1\x3f\0", b"\xff\xd0", b""),
        ),
        words=(b"\xff\xd8", b"\xff\xda", b"\xff\xc2", b"\xff\xd0", b"\xff\xd9"),
    ),
    Reader(
        "gain map",
        read_gain_map,
        (SyntaxError,),
        (
            with_gain_map(encoded(STILL, "JPEG"), with_terms(encoded(STILL.convert("L"), "JPEG"), GAINS), b""),
            with_gain_map(encoded(STILL, "JPEG"), _one_denominator(encoded(STILL, "JPEG")), b""),
            with_gain_map(encoded(STILL, "JPEG"), _only_xmp(with_terms(encoded(STILL, "JPEG"), GAINS)), b""),
        ),
        (
            "imaging.formats.gain_maps.container._segments",
            "imaging.formats.gain_maps.index.read_index",
            "imaging.formats.gain_maps.iso_terms.read_iso_terms",
            "imaging.formats.gain_maps.iso_terms._with_one",
            "imaging.formats.gain_maps.iso_terms._with_each",
            "imaging.formats.gain_maps.xmp_terms._Values.__init__",
            "imaging.formats.gain_maps.xmp_terms._number",
        ),
        (
            (b"\xff\xd8", b"\xff\xe2\0\2", b""),
            (b"\xff\xd8", b"\xff\xe2\0\x12MPF\0MM\0*\0\0\0\x08\xff\xff", b""),
        ),
        words=(b"MPF\0", b"II*\0", b"\xff\xd8\xff", b"hdrgm:", b"\xb0\2"),
    ),
    Reader(
        "PNG pixels",
        _decode,
        (RequestError,),
        (encoded(STILL, "PNG"), _png_with_texts(), _png_with_colours(), _png_of_16_bits()),
        (
            "imaging.formats.png._pixel_data",
            *("imaging.metadata.resolution._possible", "imaging.metadata.resolution._in_exif"),
            *(f"imaging.formats.png_parts.colours.Colours._read_{name}" for name in ("cicp", "profile", "gamma")),
            "imaging.formats.png_parts.colours.Colours._read_chromaticity",
            *(
                f"imaging.formats.png_parts.opening._{name}"
                for name in ("chunks", "is_kept", "is_text", "is_packed_text")
            ),
            "imaging.formats.png_parts.opening._is_international_text",
        ),
        (
            *(
                (PNG_START + _chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0)), chunk, b"")
                for chunk in (
                    _chunk(b"zTXt", b"exif\0\0" + zlib.compress(bytes(1 << 20))),
                    _chunk(b"iCCP", b"n\0\0" + zlib.compress(bytes(1 << 22))),
                    _chunk(b"acTL", b""),
                    _chunk(b"abCd", b""),
                )
            ),
            (
                b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", 999, 999, 8, 2, 0, 0, 0)),
                _chunk(b"IDAT", b""),
                b"",
            ),
        ),
    ),
    Reader(
        "frames of an animation",
        _decode_all,
        (RequestError,),
        tuple(animation(MOVING, form) for form in ("GIF", "PNG", "WEBP")),
        (
            *("imaging.codecs.frame_durations._found", "imaging.codecs.stored_frames.stored_frames"),
            *("imaging.codecs.stored_frames.choose_frame", "imaging.codecs.stored_frames.read_plays"),
            "imaging.codecs.stored_frames.shows_canvas",
        ),
        (
            (b"GIF89a\2\0\2\0\x80\0\0\0\0\0\1\1\1", b",\0\0\0\0\1\0\1\0\0\2\2D\1\0", b";"),
            (b"GIF89a\2\0\2\0\x80\0\0\0\0\0\1\1\1,\0\0\0\0\1\0\1\0\0\2\2D\1\0", b"\0", b""),
        ),
        words=(b"fcTL", b"fdAT", b"acTL", b"ANMF", b"VP8L", b"NETSCAPE2.0", b"!\xf9\x04"),
    ),
    Reader(
        "bitmaps and icons",
        _decode,
        (RequestError,),
        (*_made("bmp", STILL), *_made("ico", STILL), _masked_bitmap(), _bitmap_of_runs(), _icon_of_bitmaps()),
        (
            *(f"imaging.formats.bitmaps.header.{name}" for name in ("read_header", "_windows", "_profile")),
            *("imaging.formats.bitmaps.header._calibration", "imaging.formats.bitmaps.pixels.read_runs"),
            "imaging.formats.bmp._is_bare",
            *("imaging.formats.bmp.BmpFile._open", "imaging.formats.ico._places", "imaging.formats.ico._read_entry"),
        ),
        (
            (_bitmap_header(8, code=1), b"\0\2\0\0", b""),
            (_bitmap_header(8, code=1), b"\1\1", b""),
            (_bitmap_header(8, code=1), b"\1\1\0\0", b""),
            (_bitmap_header(4, code=2), b"\0\3\x12\x34", b""),
            (_bitmap_header(8, code=1), b"\0\2\1\0", b""),
            (b"\0\0\1\0\xff\xff", b"\1\1\0\0\1\0\x20\0\x28\0\0\0\x06\0\0\0", b""),
            (b"\0\0\2\0\xff\xff", b"\x28\0\0\0\x01\0\0\0\2\0\0\0\x06\0\0\0", b""),
        ),
    ),
    Reader(
        "directions of a text",
        lambda data: embedding_levels(data.decode("utf-8", "replace")),
        (),
        ("a \u05d0(b) 12% \u2067x\u2069 \u202ey".encode(), b"plain"),
        tuple(
            f"imaging.lettering.{name}"
            for name in ("bidi._explicit", "bidi._isolates", "bidi._sequences", "bidi._resolve_neutral")
        ),
        (
            (b"", "\u202e(\u05d0)".encode(), b""),
            (b"", "\u2068".encode(), b""),
            (b"", "\u2067a\u2069".encode(), b""),
            (b"", "\u202a\u202c\u05d0".encode(), b""),
            (b"\xd7\x90", b"([{", b""),
        ),
        words=tuple(letter.encode() for letter in "\u2066\u2067\u2068\u2069\u202a\u202b\u202c\u202d\u202e()\u05d01%"),
    ),
    Reader(
        "durations of a GIF",
        _durations("gif"),
        (RequestError,),
        (animation(MOVING, "GIF"),),
        tuple(f"imaging.formats.gif_parts.structure.{name}" for name in ("blocks", "_parts", "_plays")),
        ((b"GIF89a\1\0\1\0\0\0\0", b"!\xf9\4\0\0\0\0\0", b""), (b"GIF89a\1\0\1\0\0\0\0!\xfe", b"\1\0", b"")),
    ),
    Reader(
        "durations of a PNG",
        _durations("png"),
        (RequestError,),
        (animation(MOVING, "PNG"),),
        (
            "imaging.formats.png_parts.animation.split",
            "imaging.formats.png_parts.animation._parts",
            "imaging.formats.png_parts.animation._agrees",
            "imaging.formats.png_parts.animation._frames",
            "imaging.formats.png_parts.animation.chunks",
        ),
        ((b"\x89PNG\r\n\x1a\n", b"\0\0\0\0teXt\0\0\0\0", b""), (b"\x89PNG\r\n\x1a\n", b"\0\0\0\0fcTL\0\0\0\0", b"")),
    ),
    Reader(
        "durations of an AVIF",
        _durations("avif"),
        (RequestError,),
        (animation([frame.resize((16, 16)) for frame in MOVING], "AVIF", duration=[40, 80]),),
        ("imaging.formats.iso.avif_plays.read_durations", "imaging.formats.iso.avif_plays._units"),
        ((b"\0\0\0\x10ftypavis\0\0\0\0", b"\0\0\0\x08moov", b""),),
        words=(b"stts", b"mdhd", b"trak", b"pict"),
    ),
    Reader(
        "broken WebP",
        cast("Callable[[bytes], bytes]", FORMATS["webp"].mended),
        (),
        (encoded(STILL, "WEBP")[:-9], animation(MOVING, "WEBP")[:-30]),
        ("imaging.formats.webp._mended",),
        (
            (b"RIFF\xff\xff\xff\0WEBP", b"ALPH\0\0\0\0", b""),
            (b"RIFF\xff\xff\xff\0WEBPVP8X\x0a\0\0\0\2\0\0\0" + bytes(6), b"ANMF\0\0\0\0", b""),
        ),
    ),
    Reader(
        "durations of a WebP",
        _durations("webp"),
        (RequestError,),
        (animation(MOVING, "WEBP"),),
        (
            "imaging.formats.webp._chunks",
            "imaging.formats.webp._parts",
            "imaging.formats.webp._plays",
            "imaging.formats.webp._end",
        ),
        ((b"RIFF\0\0\0\0WEBP", b"ANMF\0\0\0\0", b""),),
    ),
    Reader(
        "JPEG 2000 header",
        read_jp2_header,
        (SyntaxError, LookupError, struct.error, RequestError),
        (JP2, encoded(picture("RG/BY"), "JPEG2000", no_jp2=True), JP2_PALETTE, JP2_LAB),
        (
            *(f"imaging.formats.jp2_header.{name}" for name in ("_read_box", "_read_colours", "_palette", "_lab")),
            *(f"imaging.formats.jp2_codestream.{name}" for name in ("_size", "read_codestream")),
        ),
        (
            (JP2[: JP2.index(b"jp2h") - 4], b"\0\0\0\x08jp2h", JP2[JP2.index(b"jp2h") - 4 :]),
            (b"\0\0\xff\xffjp2h", b"\0\0\0\x0fcolr\1\0\0\0\0\0\x63", b""),
            (b"\0\1\xff\xffjp2h\0\0\xff\xffcdef\xff\xff", b"\0\1\0\1\0\0", b""),
            (b"\0\1\xff\xffjp2h\0\0\xff\xffpclr\4\0\xff", b"\x25", b""),
            (J2K[: J2K.index(b"\xff\x52")], b"\xff\x64\0\2", b""),
            (J2K[: J2K.index(b"\xff\x52")], b"\xff\x52\0\x0c\0\0\0\1\0\5\4\4\0\0", b""),
            (J2K[:40] + b"\xff\xff", b"\7\1\1", b""),
        ),
        words=(b"jp2h", b"colr", b"pclr", b"cmap", b"cdef", b"jp2c", b"\xff\x4f\xff\x51", b"\xff\x52", b"\xff\x53"),
    ),
    Reader(
        "TIFF by our decoder",
        _read_tiff,
        (RequestError,),
        tiff.of_every_kind(),
        (
            *(f"imaging.formats.tiff_parts.directories.Walk.{name}" for name in ("pages", "entries", "_number")),
            "imaging.formats.tiff_parts.file.TiffFile._is_whole_jpeg",
            "imaging.formats.tiff_parts.file.TiffFile._refuse_camera_raw",
            "imaging.apart.decoders.tiff.codecs._check_codestream",
        ),
        (
            (b"II*\0\x08\0\0\0\xff\xff", struct.pack("<HHII", 254, 4, 1, 1), b""),
            (b"II*\0\x08\0\0\0\xff\xff", struct.pack("<HHII", 258, 3, 20_000, 8), b""),
            (b"II*\0\x08\0\0\0\0\x10", struct.pack("<HHII", 330, 4, 20_000, 8), b""),
            (b"II*\0\x08\0\0\0\0\0", b"\x0e\0\0\0\0\0", b""),
            (b"II*\0\x08\0\0\0\0\0", b"\x08\0\0\0\0\0", b""),
        ),
    ),
    Reader(
        "JPEG XL header",
        read_jxl_header,
        (SyntaxError,),
        (JXL_BARE,),
        ("imaging.formats.jxl_header._Bits.__init__",),
        ((b"\xff\x0a", b"\xff", b""),),
    ),
    Reader(
        "boxes of an AVIF",
        _boxes,
        (SyntaxError, LookupError, struct.error),
        _made("avif", STILL),
        tuple(f"imaging.formats.iso.media.{name}" for name in ("boxes", "Cursor.take")),
        (
            (b"", b"\0\0\0\x08free", b""),
            (b"\0\0\xff\xffmeta\0\0\0\0", b"\0\0\0\x08iprp", b""),
            (b"\0\1\0\0meta\0\0\0\0\0\0\xff\xffiloc\1\0\0\0\x44\0\xff\xff", b"\0\1\0\0\0\0\0\1", b""),
            (b"\0\1\0\0moov", b"\0\0\0\x08trak", b""),
        ),
        words=(b"meta", b"iloc", b"iinf", b"infe", b"ipco", b"ispe", b"ipma", b"moov", b"stsz", b"stco", b"av01"),
    ),
    Reader(
        "what an AVIF says of its picture",
        _stated,
        (SyntaxError, LookupError, struct.error),
        (*_made("avif", STILL), animation(MOVING, "AVIF")),
        (
            "imaging.formats.iso.avif_file.AvifFile.read_all",
            "imaging.formats.iso.avif_plays.read_plays",
            "imaging.formats.iso.properties._coded_cicp",
            "imaging.formats.iso.properties._aperture",
            "imaging.formats.iso.avif_plays.read_plays",
            "imaging.formats.iso.media.IsoMedia.primary",
        ),
        (
            (b"\0\1\0\0meta\0\0\0\0\0\0\xff\xffiprp\0\0\xf0\0ipco", b"\0\0\0\x08clap", b""),
            (b"\0\1\0\0meta\0\0\0\0\0\0\xff\xffiprp\0\0\xf0\0ipma\0\0\0\0\0\0\xff\xff", b"\0\0\1\1", b""),
            (b"\0\1\0\0moov", b"\0\0\0\x10trak\0\0\0\x08edts", b""),
            (b"\0\1\0\0moov\0\0\xff\xfftrak\0\0\xff\0edts", b"\0\0\0\x18elst\0\0\0\1\0\0\0\1", b""),
            (b"\0\1\0\0moov\0\0\xff\xfftrak\0\0\0\x18edts\0\0\0\x10elst\0\0\0\1\0\0\0\1", b"\0\0\0\x08tkhd", b""),
        ),
        words=(b"meta", b"pitm", b"ipco", b"colr", b"nclx", b"clap", b"moov", b"trak", b"edts", b"elst", b"tkhd"),
    ),
    Reader(
        "bitstream of an AVIF",
        lambda data: list(coded_sizes(data, Steps(), [])),
        (SyntaxError, LookupError, struct.error),
        (b"\x12\0\x0a\x0a\0\0\0\x02\xaf\xff\x9a\x5f\x2e\x08\x32\x0e\x10\0\x83\x04\x10",),
        ("imaging.formats.iso.av1._Bits.__init__",),
        (
            (b"", b"\x12\0", b""),
            (b"\x0a", b"\xff", b""),
            (b"\x0a\x0a\0\0\0\x02\xaf\xff\x9a\x5f\x2e\x08", b"\x32\x02\x10\0", b""),
        ),
    ),
    Reader(
        "formats that are only read",
        _decode_here,
        (RequestError,),
        READ_ONLY,
        (
            *(f"imaging.formats.read_only.pnm.{name}" for name in ("_number", "_pam", "_scale")),
            *(f"imaging.formats.read_only.tga.{name}" for name in ("TgaFile.read_header", "_alpha_kind", "_begins")),
            *(f"imaging.formats.read_only.psd.{name}" for name in ("_each_resource", "_has_block", "_length")),
            *(f"imaging.formats.read_only.psd.{name}" for name in ("PsdFile.read_header", "_pass_layers")),
            *("imaging.formats.read_only.hdr.HdrFile.read_header", "imaging.formats.read_only.qoi.QoiFile.read_header"),
            *("imaging.apart.decoders.plain.pnm._written", "imaging.apart.decoders.plain.psd._planes"),
        ),
        (
            (b"P5 ", b"#\n", b"1 1 255 a"),
            (b"P5 ", b" ", b"1 1 255 a"),
            (b"P5 ", b"1", b" 1 255 a"),
            (b"P7\n", b"WIDTH 1\n", b"ENDHDR\n"),
            (b"P2 999 99 255\n", b"1 ", b""),
            (b"P2 9 9 255\n", b"1", b""),
            (b"P2 9 9 255\n", b"#1\n", b""),
            (b"P1 999 99\n", b"1", b""),
            (struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, 200, 200, 8 * 3, 0), b"\0abc", b""),
            (struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, 3000, 3000, 32, 0), b"\x83abcd", b""),
            (b"#?RADIANCE\n", b"A=B\n", b"\n-Y 1 +X 1\nabcd"),
            (b"#?RADIANCE\n\n-Y 99 +X 99\n\2\2\0\x63", b"\x81a", b""),
            (b"qoif\0\0\1\0\0\0\1\0\4\0", b"\xfd", bytes(7) + b"\1"),
            (document(1, b"")[:30] + b"\0\1\x80\0", b"8BIM\x04\x17\0\0\0\0\0\0", b""),
            (PSD_HEAD + b"\0\1\x80\0" + bytes(8), b"8BIMabcd\0\0\0\0", b""),
            (
                struct.pack(">4sH6xHIIHHIII", b"8BPS", 1, 1, 20_000, 1, 8, 1, 0, 0, 0) + b"\0\1",
                b"\0\2",
                b"\0a" * 20_000,
            ),
        ),
        words=(b"P1 ", b"P7", b"ENDHDR", b"MAXVAL", b"8BIM", b"Mtrn", b"Lr16", b"+X", b"\n\n", b"#"),
    ),
    Reader(
        "SVG",
        _drawing,
        (RequestError,),
        (SVG, SVG_ENTITIES, SVG_NESTED, SVG.decode().encode("utf-16"), gzip.compress(SVG, mtime=0)),
        (
            *("imaging.formats.svg.safe_drawing.SafeDrawing.__init__", "imaging.formats.svg.lengths.view_box"),
            *("imaging.formats.svg.safe_drawing.SafeDrawing._start", "imaging.formats.svg.lengths._length"),
            *("imaging.formats.svg.safe_drawing._styled", "imaging.formats.svg.embedded.bytes_of"),
            *("imaging.formats.svg.styles.declarations", "imaging.formats.svg.source._root"),
        ),
        (
            (b'<svg width="', b"1", b'!"/>'),
            (b'<svg width="', b" ", b'!"/>'),
            (b'<svg width="1e', b"1", b'!"/>'),
            (b'<svg viewBox="0 0 ', b"1", b' 1"/>'),
            (b'<svg viewBox="', b"1,", b'"/>'),
            (b"<svg>", b"<g>", b""),
            (b"<svg><style>", b" font:", b"</style></svg>"),
            (b"<svg><style> font:", b" ", b"</style></svg>"),
            (b"<svg><style>", b" font ", b"</style></svg>"),
            (b'<svg style="font', b" ", b'"/>'),
            (b'<svg><image href="data:image/png;base64,', b"A", b'!"/></svg>'),
            (b'<svg><image href="data:;base64,iVBORw0KGgo', b"A", b'!"/></svg>'),
            (b'<svg><image href="data:,', b"%3c", b'"/></svg>'),
            (b'<svg><image href="data:,&lt;svg>', b"&lt;g/>", b'&lt;/svg>"/></svg>'),
            (b'<svg><image href="data:,&lt;!--', b"#", b'--/>"/></svg>'),
            (b'<svg style="transform:', b"scale(1)", b'"/>'),
            (b'<svg style="transform:scale(', b"1 ", b')"/>'),
            (b'<svg style="', b"transform:", b'"/>'),
            (b"<svg>", b'<svg class="a">', b""),
            (b"\xff\xfe<\0", b"a\0", b""),
            (b'<?xml version="1.0" encoding="big5"?><svg>', b"\xa4\x40", b"</svg>"),
            (SVG_BOMB, b"\0", b""),
            (b"<svg ", b'a="" ', b"/>"),
            (b'<!DOCTYPE svg [<!ENTITY a "', b"a", b'">]><svg fill="&a;&a;"/>'),
            (b'<!DOCTYPE svg [<!ENTITY a "b">]><svg fill="', b"&a;", b'"/>'),
            (b"<!DOCTYPE svg [", b'<!ENTITY a "b">', b"]><svg/>"),
            (b"<svg>", b"<!-- -->", b"</svg>"),
            (b"<svg>", b"<![CDATA[x]]>", b"</svg>"),
            (b"<!--", b" ", b"--><svg/>"),
        ),
        words=(b"width=", b"1e999", b"1e-320", b"viewBox=", b"&a;", b"<!ENTITY", b"%", b"em", b"xlink:href", b"font:"),
    ),
    Reader(
        "texts of EXIF",
        with_plain_texts,
        (),
        (b"Exif\0\0MM\0*\0\0\0\x08\0\2\1\x3b\0\x81\0\0\0\1a\0\0\0\x87\x69\0\4\0\0\0\1\0\0\0\x08\0\0\0\0",),
        ("imaging.metadata.utf8_tags._rewrite", "imaging.metadata.utf8_tags._number"),
        (
            (b"II*\0\x08\0\0\0\xff\xff", b"\x69\x87\x81\0\1\0\0\0\x08\0\0\0", b""),
            (b"MM\0*\0\0\0\x08\xff\xff", b"\x88\x25\0\x81\0\0\0\1\0\0\0\x08", b""),
        ),
    ),
    Reader(
        "ICC profile",
        lambda data: is_usable(data, "RGB"),
        (),
        (P3,),
        ("imaging.colour.icc.is_usable",),
        words=(b"acsp", b"rTRC", b"curv", b"para", b"mluc", b"A2B0"),
    ),
    Reader(
        "XMP",
        _xmp,
        (RequestError,),
        (XMP,),
        (
            "imaging.metadata.summary._xmp_value",
            *(f"imaging.metadata.xmp._Rewriting.{name}" for name in ("parse", "_start", "_is_stale")),
        ),
        (
            (b"<a>", b" ", b"</a>"),
            (b"<a>", b"<b/>", b"</a>"),
            (b"<a>", b"<b xmlns:c='d' c:e='f'/>", b"</a>"),
            (b"<a ", b"b='c' ", b"/>"),
            (b"<a xmlns:b='http://ns.adobe.com/tiff/1.0/'>", b"<b:Orientation/>", b"</a>"),
            (b"<a>", b"&#38;", b"</a>"),
            (b"<a>", b"<!---->", b"</a>"),
            (b"<a>", b"<?b?>", b"</a>"),
            (b"", b"<a>", b""),
            (b"<dc:title>", b"<", b"</dc:title>"),
            (b"<dc:title>", b"&", b"</dc:title>"),
            (b"<dc:title>", b"&abcdefghijklmnopqrstuvwxyzabcdef", b"</dc:title>"),
            (b"<dc:title>&#", b"1", b";</dc:title>"),
            (b"<dc:title>", b"<dc:description>", b"</dc:title>"),
        ),
        words=(b"tiff:Orientation", b"xmlns:", b"<dc:title>", b"</dc:title>", b"&#x", b"xmp:Rating", b"&#99999999999"),
    ),
    Reader(
        ".cube",
        parse_cube,
        (RequestError,),
        (b"# a table\nLUT_3D_SIZE 2\nDOMAIN_MIN 0 0 0\n" + b"0.5 .25 1e-1\n" * 8,),
        tuple(f"imaging.operations.colour.lut.{name}" for name in ("_parse", "_split", "_numbers", "_colour", "_side")),
        (
            (b"", b"\n", b""),
            (b"", b"\r", b""),
            (b"LUT_3D_SIZE 2\n", b"0 0 0\n", b"1_0 0 0\n"),
            (b"LUT_3D_SIZE 20\n", b"0 0 0\n", b""),
            (b"LUT_3D_SIZE ", b"9", b"\n"),
            (b"", b"A 1\n", b""),
            (b"LUT_3D_SIZE 2\n" + b"0 0 0\n" * 7 + b"0 0 ", b"1", b"\n"),
            (b"LUT_3D_SIZE 2\n", b"1" * 900 + b" 1 1\n", b""),
        ),
        words=(b"LUT_3D_SIZE", b"LUT_1D_SIZE", b"DOMAIN_MAX", b"nan", b"1e999", b"1_0", b"\xd9\xa1", b"\x85", b"#"),
    ),
    Reader(
        "pipeline",
        _text(parse_pipeline),
        (RequestError,),
        (
            b"resize:width=800,height=600,fit=cover/sharpen:amount=0.8/grayscale",
            b"redact:boxes=1;2;3;4/curves:points=0:0;1:1/text:text=a%2Fb,colour=rgb(1%2C2%2C3)",
        ),
        ("imaging.pipelines.pipeline.parse_pipeline", "imaging.pipelines.pipeline._parse_step"),
        (
            (b"", b"/", b""),
            (b"resize:", b"a=1,", b""),
            (b"resize:width=", b"1", b""),
            (b"resize:width=", b"%31", b""),
            (b"redact:boxes=", b"1;", b""),
            (b"curves:points=", b"0:0;", b""),
            (b"convolve:kernel=", b"1;", b""),
            (b"", b"resiz", b""),
            (b"text:text=", b"a", b""),
            (b"background:background=", b"f", b""),
        ),
        words=(b"resize", b"crop", b"=", b",", b"/", b":", b"%2F", b"1e999", b"nan", b"%ED%A0%80", b"-1", b"0x1"),
    ),
    Reader(
        "sources of a query",
        _text(_sources),
        (RequestError,),
        (b"width=3&source=file:a/b.jpg&source.logo=https%3A%2F%2Fa.example%2Fb%3Fc",),
        ("web.sources.naming.parse_source", "web.sources.naming.Source.__str__"),
        (
            (b"", b"source=", b""),
            (b"", b"source=file:a&", b""),
            (b"", b"source.a=", b""),
            (b"source=https://", b"@", b""),
            (b"source=", b"%", b""),
            (b"source=file:", b"/..", b""),
        ),
        words=(b"source=", b"source.", b"file:", b"https://", b"upload:", b"s3://", b"%2e%2e"),
    ),
    Reader(
        "URL of a source",
        _text(_url),
        (ValueError,),
        (b"https://example.com:8443/a%20b/c.jpg?d=e&f", b"http://[2606:4700::1]/a", b"http://8.8.8.8/"),
        ("web.sources.urls.parse_url", "web.sources.urls.Url.joined", "web.sources.urls._leads_upwards"),
        (
            (b"https://", b"a.", b"/"),
            (b"https://", b"a-", b"!"),
            (b"https://a/", b"%25", b"2e"),
            (b"https://a/", b"../", b""),
            (b"https://a/?", b"%", b""),
            (b"https://[", b":", b"]"),
            (b"", b"/", b""),
        ),
        words=(b"https://", b"//", b"..", b"%2e", b"%25", b"@", b"\\", b"[::1]", b"0x7f", b"#"),
    ),
    Reader(
        "answer of another server",
        _far_answer,
        (BadAnswer,),
        (
            b'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: "a"\r\n\r\nabc',
            b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            b"HTTP/1.0 200 OK\r\n\r\nabc",
        ),
        (),
        (
            (b"", b"HTTP/1.1 103 E\r\n\r\n", b""),
            (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n", b"\r\n"),
            (b"HTTP/1.1 200 OK\r\nA:", b" ", b"\r\n"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", b""),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a=b;", b""),
        ),
        words=(b"HTTP/1.1 ", b"\r\n\r\n", b"chunked", b"Content-Length: ", b"Location: ", b"304 "),
    ),
    Reader(
        "query",
        _query,
        (RequestError,),
        (b"width=3&fit=cover&format=webp&quality=80", b"ops=resize:width%3D3/sharpen&format=auto&effort=1"),
        (
            *("web.query._pairs", "imaging.info.parse_include", "jobs.variants.variants_of_widths"),
            "imaging.model.validation._share_meant",
        ),
        (
            (b"", b"a&", b""),
            (b"", b"&", b""),
            (b"", b"width=1&", b""),
            (b"include=", b"palette,", b""),
            (b"widths=", b"1,", b""),
            (b"ops=", b"/", b""),
            (b"", b"%", b"=1"),
            (b"", b"+", b""),
            (b"width", b"h", b"=1"),
            (b"quality=", b"1", b""),
            (b"opacity=", b"5", b"%25"),
        ),
        words=(b"include=", b"widths=", b"ops=", b"format=auto", b"%00", b"+", b"&", b"target=ssim:0.9"),
    ),
    Reader(
        "values of parameters",
        _text(_values),
        (ValueError,),
        (
            b"rgb(255,136,0)",
            b"16:9",
            b"ssim:0.98",
            b"1;0;0;0;1;0;0;0;1",
            b"0:0;0.5:0.6;1:1",
            b"10;20;100;50",
            b"ff8800",
        ),
        (
            *(f"imaging.model.number_lists.{name}" for name in ("parse_curve", "parse_corners", "_parse_numbers")),
            *("imaging.model.number_lists._parse_point", "imaging.model.parameter_types.parse_colour"),
            *("imaging.model.parameter_types.parse_aspect", "imaging.model.parameter_types.parse_target"),
            "imaging.operations.overlay.covers._parse_boxes",
        ),
        (
            (b"", b"1;", b""),
            (b"", b"0:0;", b"1:1"),
            (b"", b"1", b""),
            (b"rgb(", b" ", b"1)"),
            (b"hsl(", b"1", b",1%,1%)"),
            (b"", b"f", b""),
            (b"0.", b"0", b"1"),
        ),
        words=(b"hsl(", b"%", b"1e999", b"nan", b"inf", b"-0", b"1_0", b"transparent"),
    ),
    Reader(
        "names of outputs",
        lambda data: parse_variants(data, {}),
        (RequestError,),
        (b'[{"name": "small", "ops": "resize:width=320", "format": "webp", "quality": 80, "lossless": false}]',),
        ("jobs.variants.parse_variants",),
        (
            (b"", b"[", b""),
            (b"", b'{"a":', b""),
            (b"[", b"1,", b"1]"),
            (b'[{"name":"a"', b',"a":1', b"}]"),
            (b'[{"name":"a","quality":', b"1", b"}]"),
            (b'[{"name":"', b"a", b'"}]'),
            (b'[{"name":"a","ops":"', b"/", b'"}]'),
            (b'[{"name":"a","quality":"', b"\\u0031", b'"}]'),
        ),
        words=(b"\\ud800", b"1e999", b"NaN", b"Infinity", b"null", b"true", b'"name"', b'"ops"', b"\xff\xfe"),
    ),
    Reader(
        "multipart body",
        _parts,
        (RequestError,),
        (FORM, FORM[:-6] + b'\r\nContent-Disposition: form-data; name="mark"\r\n\r\nlogo\r\n--XX--\r\n'),
        ("web.multipart._Parts._header_end",),
        (
            (b"--XX\r\n\r\n", b"\r\n--X", b""),
            (b"--XX\r\n\r\n", b"\r", b""),
            (b"--XX\r\n\r\n", b"-", b""),
            (b"--XX\r\n\r\n", b"\r\n--XX\r\n\r\n", b""),
            (b"--XX\r\n", b"A: b\r\n", b""),
            (b"--XX\r\nA:", b" ", b""),
            (b"--XX\r\n", b"A", b""),
            (b'--XX\r\nContent-Disposition: form-data; name="', b'\\"', b'"\r\n\r\n'),
            (b"--XX\r\nContent-Disposition: form-data", b";", b"\r\n\r\n"),
            (b"", b"\r\n", b""),
            (b"--XX--", b"--XX--", b""),
        ),
        words=(
            b"--XX",
            b"--XX--",
            b"\r\n",
            b"\r\n\r\n",
            b"Content-Disposition: ",
            b'name="file"',
            b"filename*=utf-8''",
        ),
    ),
    Reader(
        "Content-Type",
        _content_type,
        (RequestError,),
        (b"multipart/form-data; boundary=XX", b'multipart/form-data; charset="a;b"; boundary="XX"'),
        ("web.multipart._boundary",),
        (
            (b"multipart/form-data; boundary=", b"X", b""),
            (b"multipart/form-data; boundary=", b'"', b""),
            (b"multipart/form-data", b'";', b""),
            (b"multipart/form-data", b";", b""),
            (b"multipart/form-data", b' ; a="\\"', b""),
        ),
        words=(b"boundary=", b'"', b";", b"\\", b"*0=", b"*=utf-8''"),
    ),
    Reader(
        "Accept",
        _text(_accept),
        (),
        (b"image/avif,image/webp,image/apng,*/*;q=0.8", b'application/zip;q="1";a=b, multipart/mixed;q=0.5'),
        ("web.accept._quality",),
        (
            (b"image/webp,", b'a/b;"', b""),
            (b"image/webp,", b'";', b""),
            (b"image/webp;", b'\\";', b""),
            (b"image/webp", b",", b""),
            (b"image/webp", b";q=1", b""),
            (b"image/webp;q=", b"1", b""),
        ),
        words=(b"q=", b"nan", b"1e999", b"-1", b'"', b"\\", b"*/*", b"image/*", b"*"),
    ),
    Reader(
        "validity",
        _text(lambda text: (validity_of(text), is_known(text, '"abc"'), wants_no_store(text), accepted_formats(text))),
        (),
        (b'max-age=60, s-maxage="5", private', b'W/"abc", "def"', b"image/webp,*/*;q=0.8"),
        ("web.cache.validity._seconds",),
        (
            *((b"", b"a,", b""), (b"", b"a=1,", b""), (b"max-age=", b"1", b""), (b'a="', b"x", b"")),
            *((b"", b'"a",', b""), (b"", b" ", b"!"), (b"", b"max-age=1,", b"")),
        ),
        words=(b"max-age=", b"s-maxage=", b"no-store", b"private", b"W/", b'"', b"="),
    ),
    Reader(
        "version of a source in the cache",
        read_version,
        (),
        (b'{"validators": {"etag": "1"}, "identity": "a", "checked_at": 1.0}',),
        ("web.cache.versions._read",),
        ((b"", b"[", b""), (b'{"identity": ', b"1", b"}"), (b'{"a": "', b"\\n", b'"}')),
    ),
    Reader(
        "entry of the cache",
        _entry,
        (BadEntry,),
        (b"".join(pack(bytes(32), Entry("image/png", 3, 2, is_broken=False, made_at=1.0, body=b"body"))),),
        ("web.cache.entry.unpack", "web.cache.entry._checksum", "web.cache.entry.is_whole"),
        ((b"imgsrv\0\1", b"\0", b""), (b"imgsrv\0\1", b"\xff", b"")),
    ),
    Reader(
        "Accept-Encoding and If-None-Match",
        _text(lambda text: (takes_gzip(text), has_tag(text, '"abc"'))),
        (),
        (b"gzip, br;q=0.5, *;q=0", b'W/"abc", "def"'),
        ("web.accept.takes_gzip", "web.accept._weight", "web.routes.document._has"),
        ((b"", b",", b""), (b"gzip;q=", b"1", b""), (b"gzip", b" ", b"!"), (b"", b'W/"a",', b"")),
        words=(b"q=", b"nan", b"1e999", b"*", b"W/", b'"'),
    ),
    Reader(
        "request line and headers",
        _http,
        (),
        (HEAD, b"GET http://x/%2e?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
        ("web.http.protocol.Parser._scope", "web.http.protocol._body_length", "web.http.protocol._fault_of_target"),
        (
            (b"GET /", b"%", b" HTTP/1.1\r\nHost: x\r\n\r\n"),
            (b"GET /", b"%41", b" HTTP/1.1\r\nHost: x\r\n\r\n"),
            (b"GET / HTTP/1.1\r\nHost: x\r\n", b"a:b\r\n", b"\r\n"),
            (b"GET / HTTP/1.1\r\nHost: x\r\nA: ", b" ", b"\r\n\r\n"),
            (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ", b"0", b"1\r\n\r\n"),
            (HEAD[:-17], b"1;a\r\na\r\n", b"0\r\n\r\n"),
            (b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b""),
            (b"", b"\r\n", b""),
        ),
        words=(
            b"\r\n",
            b"Content-Length: ",
            b"Transfer-Encoding: chunked",
            b"Upgrade: h2c\r\nConnection: Upgrade",
            b"HTTP/2.0",
        ),
    ),
    Reader(
        "X-Request-Id",
        lambda data: request_id_of([(b"x-request-id", data)]),
        (),
        (b"a-request.1",),
        ("web.problems.request_id_of",),
        ((b"", b"a", b"!"),),
    ),
    Reader(
        "X-Forwarded-For",
        _forwarded,
        (),
        (b"1.2.3.4, 10.0.0.2:80, [::1]:5, ::ffff:10.1.1.1", b"unknown, fe80::1%eth0"),
        tuple(
            f"web.http.proxy_headers.{name}"
            for name in ("Proxies.behind", "Proxies.forwarded", "_without_port", "_address")
        ),
        ((b"", b"10.0.0.1,", b""), (b"", b",", b""), (b"", b":", b""), (b"", b"1", b""), (b"", b" ", b"10.0.0.1")),
    ),
    Reader(
        "PROXY protocol",
        read_preface,
        (BadProxyHeader,),
        (
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET",
            b"PROXY TCP6 ::1 ::2 65535 0\r\n",
            b"PROXY UNKNOWN\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\1\2\3\4\5\6\7\x08\0\1\0\2",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24" + bytes(36),
        ),
        tuple(f"web.http.proxy_headers.{name}" for name in ("_read_v1", "_is", "_is_port", "_read_v2")),
        ((b"PROXY ", b" ", b""), (b"PROXY TCP4 ", b"1", b"\r\n"), (b"\r\n\r\n\0\r\nQUIT\n\x21\x21\xff\xff", b"a", b"")),
    ),
    Reader(
        "control socket",
        _control,
        (),
        (b'{"command": "scale", "argument": "+1"}\n{"command": "status"}\n',),
        ("pool.control.control_socket.Client.request", "pool.control.control_socket._request"),
        (
            (b"", b"\n", b""),
            (b"", b"[", b"\n"),
            (b"", b"1", b"\n"),
            (b"", b'{"command":"a"}\n', b""),
            (b"", b"a", b""),
            (b'{"command":', b'{"a":', b"\n"),
        ),
        words=(b"\n", b"null", b"\xff", b"\\ud800", b"1e999", b'{"command": 1}'),
    ),
    Reader(
        "job",
        _job,
        (*JSON_FAULTS, ImgsrvError),
        JOBS,
        ("jobs.job.read_job", "jobs.job._read_output", "jobs.facts.plan_facts", "jobs.facts.input_place"),
        ((b"", b"[", b""), (b'{"input":', b"[", b""), (b"", b'{"kind":', b""), (b'{"kind":"', b"a", b'"}')),
        words=(b"null", b"[]", b"{}", b'"error"', b'"answer"', b"-1", b"1e999", b"NaN", b'"kind"', b'"batch"'),
    ),
    Reader(
        "answer of an engine",
        lambda data: read_answer(DescribeJob(Input(0, 1), (), "id"), data),
        (*JSON_FAULTS, ImgsrvError),
        (b'{"answer": {"format": "png", "width": 1}}',),
        ("jobs.job.read_answer",),
        ((b"", b"[", b""), (b'{"answer":"', b"a", b'"}')),
        words=(b'{"error": {"code": "empty_body", "facts": {}, "output": null}}', b"null", b"[]"),
    ),
    Reader(
        "API key and client address",
        _entered,
        (),
        (TOKEN.encode(), b"2001:db8::1", b"::ffff:10.0.0.1", b"fe80::1%eth0"),
        (
            "web.access.access.Access._network_of",
            "web.access.access.Access._who",
            "web.access.access._token",
            "web.access.keys.Keys.find",
        ),
        ((b"imgsrv_", b"0", b""), (b"", b"0:", b""), (b"1", b"%", b"")),
    ),
    Reader(
        "Host and Origin of a local program",
        _located,
        (),
        (b"localhost:8000", b"[::1]:8000", b"127.0.0.1"),
        ("web.access.local.is_local", "web.access.local._is_loopback", "web.access.local._names_loopback"),
        ((b"", b"[", b""), (b"localhost", b":", b""), (b"", b"@", b"localhost"), (b"[", b"1:", b"]")),
    ),
    Reader(
        "signed query",
        _signed,
        (RequestError,),
        (
            sign(b"0123456789abcdef", "GET", "/flip?width=9&height=8", "a", 1).partition("?")[2].encode(),
            sign(b"0123456789abcdef", "GET", "/flip", "a").partition("?")[2].encode(),
        ),
        (
            "web.access.signatures.Secrets.check",
            "web.access.signatures._own",
            "web.access.signatures._decoded",
            "web.access.signatures._valid_until",
            "web.access.signatures.unsigned",
        ),
        ((b"", b"&", b"signature=" + b"A" * 43), (b"", b"signature=", b""), (b"expires=1", b"0", b"&signature=")),
    ),
    Reader(
        "query with presets",
        lambda data: PRESETS._expand(data.decode("latin-1"), None),
        (RequestError,),
        (b"preset=grey,small&quality=9", b"preset=small&ops=flip", b"ops=flip"),
        ("web.access.presets.Presets._expand", "web.access.presets._value"),
        ((b"preset=grey", b",grey", b""), (b"preset=grey", b"&a=b", b""), (b"preset=", b"%41", b"")),
    ),
    *(
        Reader(
            "JPEG XL boxes",
            lambda data: read_header(data, LIMITS),
            (RequestError,),
            (JXL_BOXES,),
            ("imaging.formats.jxl._boxes",),
            ((JXL_BOXES[:32], b"\0\0\0\x08free", b""), (JXL_BOXES[:32], b"\0\0\0\1free\0\0\0\0\0\0\0\x10", b"")),
        )
        for _ in range("jxl" in FORMATS)
    ),
    *(
        Reader(
            "traceparent and tracestate",
            _trace,
            (),
            (b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\ncongo=t61rcWkgMzE,rojo=00f067aa0ba902b7",),
            ("web.tracing.Tracing.add", "web.tracing._attributes"),
            (
                (b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\na", b" ", b"b"),
                (b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n", b"a=b,", b""),
                (b"", b" ", b"00"),
            ),
        )
        for _ in range(find_spec("opentelemetry") is not None)
    ),
)


# ---- functions that read -------------------------------------------------------------------------------

CLIENT_SIDE = ("web.", "jobs.", "imaging.", "pool.control.")
"""Where the bytes of clients go.  The rest of the package reads what an operator, the kernel or its own code wrote."""

READING = frozenset(
    (
        *("unpack", "unpack_from", "from_bytes", "loads", "split", "rsplit", "splitlines", "partition", "rpartition"),
        *("find", "fromhex", "unescape", "unquote", "parse_qsl", "ip_address", "Parse", "getrgb", "quality", "loadtxt"),
        *("parse_options_header", "parse_url", "iter_unpack", "literal_eval", "fromstring", "b64decode"),
    )
)
"""Calls by which a function is taken for one that reads."""

TEXT_SIDE = ("web.", "jobs.", "imaging.model.", "imaging.formats.", "imaging.metadata.", "imaging.pipelines.")
"""Where `int` and `float` read text; elsewhere they round pixels."""

ARRAYS, OURS, SETTINGS = "splits arrays or names of its own", "reads what this package wrote", "reads a setting"

NOT_FROM_CLIENTS: Mapping[str, str] = {
    "web.clients._named": "reads an address of at most 45 characters, as a socket or Proxies has written it",
    "imaging.codecs.native.jpeg._flags": "reads what the kernel says of the processor",
    "web.sources.addresses.": "reads an address as the system writes it, and a setting",
    "web.sources.beneath._walk": "reads a path of at most 4096 characters",
    "web.sources.connecting.Connector._check_peer": "reads an address as the system writes it",
    "web.sources.files.Folder._check": "reads a path of at most 4096 characters",
    "web.sources.files._told": "rounds a time of a file",
    "web.sources.remote._seconds_until": "reads a date of at most 64 characters",
    "web.sources.remote.OpenedUrl.read_into": "reads a number of at most 18 digits",
    "web.sources.buckets.": "reads a path of at most 4096 characters, and what obstore has read",
    "web.sources.uploads.": "reads an id of 32 characters, and numbers of the operator's own store",
    "web.sources.remote.Remote.open": "hands a text on to parse_url",
    "imaging.formats.read_only.pdf.PdfFile._open": "reads at most 64 KB of a helper",
    "imaging.formats.read_only.raw.RawFile.read_header": "reads at most 64 KB of a helper",
    "imaging.formats.read_only.raw.RawFile.getexif": "reads four bytes; Pillow reads the tags",
    "imaging.apart.decoders.raw.": "reads numbers that LibRaw gives, in the confined process",
    "imaging.apart.helper.main": OURS,
    "imaging.apart.helper._heard": OURS,
    "imaging.apart.pictures._Filling.done": "reads at most 64 KB of a helper",
    "imaging.apart.process.Helper._heard": "reads at most 64 KB of a helper; tests/imaging/apart plays one that lies",
    "imaging.apart.tasks._drawing.draw": OURS,
    "imaging.formats.heic._options": OURS,
    "imaging.formats.iso.heif_file.": "reads a few numbers that libheif gives",
    "imaging.formats.jxl.JxlFacts.of": "reads at most 64 KB of a helper; tests/imaging/formats has what makes no sense",
    "imaging.formats.gain_maps.xmp_terms._printed": OURS,
    "imaging.formats.gif_parts.writer.": OURS,
    "imaging.formats.png.write": OURS,
    "imaging.formats.png._header": OURS,
    "imaging.model.gain_map._neutral": "computes with numbers that are bounded where they are read",
    "imaging.model.picture.Source.of": ARRAYS,
    "imaging.model.weights.": OURS,
    "imaging.pipelines.cost.": OURS,
    "imaging.pipelines.gain_map.gain_map_after": ARRAYS,
    "jobs.job._performed": OURS,
    "imaging.memory.malloc.hand_back": "reads what the kernel says of this process",
    "web.access.access.Access.cache_control": OURS,
    "web.routes.uploads.UploadsRoute.on_post": "names the first parameter of a query that it refuses",
    "web.access.keys.parse_keys": SETTINGS,
    "web.access.keys.parse_key": SETTINGS,
    "web.access.keys._options": SETTINGS,
    "web.access.presets.Presets.__init__": SETTINGS,
    "web.access.rates.": SETTINGS,
    "web.access.rules.": SETTINGS,
    "web.access.signatures.parse_secrets": SETTINGS,
    "web.access.signatures.sign": OURS,
    "web.access.stores.": OURS,
    "web.app.make_front": SETTINGS,
    "web.cache.folder.FolderStore._read": "reads a file of the cache; the row of entries reads what is in it",
    "web.cache.locks._place": "reads a digest of ours",
    "web.cache.named_store.": SETTINGS,
    "web.cache.setup.": SETTINGS,
    "web.cache.usage._read": "reads 16 bytes",
    "web.cache.bucket_store.": "gives what a bucket holds, bounded, to the row of entries",
    "web.cache.redis_store.": "gives what Redis holds, bounded, to the row of entries",
    "web.stores.bucket.": "gives what obstore has read of the operator's own bucket",
    "web.stores.redis.": "gives numbers and names of the operator's own Redis; tests/web/cache plays one that lies",
    "web.routes.picture_answer.": "gives the headers to the readers above",
    "web.cache.quick.QuickHits.answer": "compares headers and target with those that were read before",
    "web.middleware.Gate.record_quick": "writes a target that was read before into the log",
    "web.sources.remote.Remote.check": "gives the text of a source to the reader of URLs",
    "imaging.formats.jxl_header.with_srgb_curve": "reads what libjxl wrote",
    "imaging.operations.detail.denoise._denoised": ARRAYS,
    "imaging.operations.detail.denoise._smoothed": ARRAYS,
    "imaging.operations.overlay.text._wrapped": "wraps a text of at most 1,000 characters",
    "imaging.operations.overlay.text._text_work": "splits a text of at most 1,000 characters",
    "imaging.lettering.lines.Writer.lines": "splits a text of at most 1,000 characters",
    "imaging.lettering.missing._missing": "splits a text of at most 1,000 characters",
    "imaging.operations.shape.resize._survey_smartcrop": ARRAYS,
    "imaging.pipelines.decode_plan._native_eighths": "rounds a scale of ours",
    "web.sources.remote._age": "reads a number of at most 18 digits",
    "imaging.operations.registry.operation.register": OURS,
    "imaging.operations.registry._category_of": OURS,
    "imaging.operations.registry._when": OURS,
    "imaging.pixels.colour_cube._looked_up": ARRAYS,
    "imaging.pixels.visible_colours._over_neighbours": ARRAYS,
    "imaging.pixels.working_frame.": ARRAYS,
    "pool.control.control_socket._user_of": "reads what the kernel says of a peer",
    "web.http.connection.Connection._parse": SETTINGS,
    "web.http.connection.Connection._check_framing": SETTINGS,
    "web.http.peer.addresses": "reads what the kernel says of a socket",
    "web.http.protocol.Parser.__init__": SETTINGS,
    "web.http.proxy_headers.Proxies.__init__": SETTINGS,
    "web.middleware.Gate._headers": "reads the clock",
    "web.problems._answer_falcon": OURS,
    "web.services.Services.max_body": SETTINGS,
    "web.services.Services.offers": SETTINGS,
    "web.upload._refuse_lost_line_ends": "looks for one byte",
}
"""Functions, and modules with a dot behind their names, that read something else."""


def reading_functions() -> set[str]:
    """Every function of CLIENT_SIDE that makes one of the calls of READING and may read what a client has sent."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        module = str(file.relative_to(PACKAGE).with_suffix("")).replace("/", ".")
        if module.startswith(CLIENT_SIDE):
            found |= {f"{module}.{name}" for name in _reading(ast.parse(file.read_text(encoding="utf-8")), "", module)}
    others = tuple(name for name in NOT_FROM_CLIENTS if name.endswith("."))
    return {name for name in found if name not in NOT_FROM_CLIENTS and not name.startswith(others)}


def _reading(node: ast.AST, inside: str, module: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        name = inside
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{inside}.{child.name}" if inside else child.name
        elif isinstance(child, ast.Call) and _reads(child.func, module) and inside:
            yield inside
        yield from _reading(child, name, module)


def _reads(called: ast.expr, module: str) -> bool:
    if isinstance(called, ast.Attribute):
        return called.attr in READING
    return isinstance(called, ast.Name) and (
        called.id in READING or (called.id in ("int", "float") and module.startswith(TEXT_SIDE))
    )

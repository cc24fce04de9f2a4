"""Bytes to a Picture: sniffed, checked from the header, decoded as planned, upright and in sRGB."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from mmap import mmap
from typing import IO, Any

from PIL import Image, UnidentifiedImageError

from imgsrv.errors import TooManyFrames, Undecodable, UnsupportedFormat
from imgsrv.imaging.codecs.animate import Canvas, alike
from imgsrv.imaging.codecs.checked_file import CheckedFile
from imgsrv.imaging.codecs.sniff import SNIFF_BYTES, sniff
from imgsrv.imaging.codecs.stored_frames import choose_frame, own_frames, read_plays, stored_frames
from imgsrv.imaging.codecs.true_size import check_true_size
from imgsrv.imaging.colour.colours import Colours, colours_of
from imgsrv.imaging.colour.convert import converted, deep_grey, is_same, wanted_colours
from imgsrv.imaging.formats import FORMATS
from imgsrv.imaging.formats.format import Format, ReadAsError
from imgsrv.imaging.metadata.exif import read_metadata, read_orientation
from imgsrv.imaging.model.animation import ONCE, Milliseconds
from imgsrv.imaging.model.broken import BROKEN, broken_is_ours, is_lenient
from imgsrv.imaging.model.limits import Data, ExactSize, Limits, Size
from imgsrv.imaging.model.parameter_types import Icc
from imgsrv.imaging.model.picture import Frame, Picture, Source
from imgsrv.imaging.pixels.orientation import SIDEWAYS, UPRIGHT, upright
from imgsrv.imaging.pixels.sixteen_bit import shallow

OPAQUE_MODES = ("1", "L", "I;16", "RGB", "CMYK", "YCbCr", "LAB")
"""Modes of Pillow that have no alpha, unless the file names a transparent colour."""


@dataclass(frozen=True, slots=True)
class DecodePlan:
    """How much of a file is decoded; without arguments, the first frame at full size.

    scale: denominator of the scale at which a JPEG is decoded.  all_frames: more than the first frame is wanted.
    drawn: the size at which a vector format is drawn; None for its own.  icc: the colours of the result.
    is_deep: 16 bits a channel are kept.  has_gain_map: a gain map is decoded, too.
    """

    scale: int = 1
    all_frames: bool = False
    drawn: Size | None = None
    icc: Icc = "srgb"
    is_deep: bool = False
    has_gain_map: bool = False


@dataclass(frozen=True)
class Header:
    """The facts that are known before decoding.  size: upright.  frames: 1 where only decoding counts them.

    index: of the one frame or page that is wanted, counted from 0.  data: the file, where all of it is known.
    open_image: opens the picture.  plain_mode: the mode of a picture that need not be opened for its facts.
    """

    form: Format
    size: Size
    frames: int
    orientation: int
    open_image: Callable[[], Image.Image]
    index: int | None = None
    data: Data = b""
    plain_mode: str = ""

    @cached_property
    def image(self) -> Image.Image:
        """The opened picture.  Raises Undecodable for a plain one that Pillow does not open."""
        return self.open_image()

    @property
    def mode(self) -> str:
        """The mode, by Pillow's names, in which the file holds its pixels."""
        return self.plain_mode or self.image.mode

    @property
    def info(self) -> Mapping[Any, Any]:
        """What Pillow found beside the pixels; nothing for a plain picture."""
        return {} if self.plain_mode else self.image.info

    @property
    def format(self) -> str:
        """The name of the format."""
        return self.form.name

    @property
    def exact_size(self) -> ExactSize:
        """The size of a drawing, which need not be of whole pixels; of any other picture, the size."""
        return self.form.exact_size(self.image) or self.size

    @property
    def may_have_alpha(self) -> bool:
        """False for a still picture in a mode without alpha."""
        return self.frames > 1 or self.mode not in OPAQUE_MODES or "transparency" in self.info


def read_header(data: Data, limits: Limits, index: int | None = None) -> Header:
    """The header of a picture within the limits.

    index: of the one frame or page that is wanted.  Raises UnsupportedFormat, Undecodable, TooManyPixels,
    TooManyFrames or NoSuchFrame.
    """
    form = FORMATS[sniff(bytes(data[:SNIFF_BYTES]))]
    opened = partial(open_header, form, _as_file(data), limits, index, data)
    if index is None and (plain := form.plain(data)):
        size, mode = plain
        limits.check_input(size)
        return Header(form, size, 1, UPRIGHT, lambda: opened().image, None, data, mode)
    return opened()


def open_header(form: Format, file: IO[bytes], limits: Limits, index: int | None = None, data: Data = b"") -> Header:
    """The header of a picture of that format; the file must begin with the picture.  data: all of the file."""
    form.register()
    checked: Any = CheckedFile(form.size_in, file, limits) if form.size_in else file
    with broken_is_ours(form.name):
        try:
            image = Image.open(checked, formats=[form.reader or form.pillow, *filter(None, (form.other_reader,))])
        except ReadAsError as other:
            return open_header(FORMATS[other.name], file, limits, index, data)
        except UnidentifiedImageError as error:
            raise _unread_variant(form, file) from error
        form = form.variant(file, data) or form
        # GIF and TIFF count frames by walking through the file; theirs are counted while they are decoded.
        frames = own_frames(image) if form.counts_frames else 1
    if not form.is_vector:
        # A drawing has no pixels yet; `decode` checks the size at which it is drawn.
        limits.check_input(image.size, frames)
    if index is not None:
        with broken_is_ours(form.name):
            choose_frame(form, image, data, index, limits)
    check_true_size(form, file, image, limits)
    for picture in form.pictures(image):
        # The decoder ignores or refuses what is no picture.
        with suppress(UnsupportedFormat, Undecodable, TooManyFrames):
            read_header(picture, limits)
    orientation = read_orientation(form, image)
    size = image.size[::-1] if orientation in SIDEWAYS else image.size
    return Header(form, size, frames, orientation, lambda: image, index, data)


def _unread_variant(form: Format, file: IO[bytes]) -> Undecodable:
    """The reason why Pillow does not know a picture whose first bytes are right."""
    if found := form.unread_variant(file):
        return Undecodable(form.name, *found)
    return Undecodable(form.name, "its header is broken or of a variant that is not read")


def decode(header: Header, plan: DecodePlan, limits: Limits) -> Picture:
    """The picture behind the header, at the scale and with the frames of the plan.

    Raises Undecodable, and TooManyFrames or TooManyPixels where only decoding can count the frames.
    """
    image, full_size = header.image, header.image.size
    drawn = _drawn_size(header, plan, limits)
    area = drawn[0] * drawn[1] if drawn else full_size[0] * full_size[1] / plan.scale**2
    needed = header.form.decode_bytes_per_pixel * area
    with broken_is_ours(header.format, round(needed)):
        metadata = read_metadata(header.form, image)
        if plan.scale > 1:
            image.draft(None, (full_size[0] // plan.scale, full_size[1] // plan.scale))
        if drawn:
            image.draft(None, drawn)
        frames, durations, colours = _frames(header, plan, limits)
        plays = read_plays(header.form, image, header.data) if len(frames) > 1 else ONCE
    source = None if drawn or image.size == full_size else _source(header, plan.scale, image.size)
    picture = Picture(frames, header.format, durations, plays, metadata, source, colours.profile, colours.hdr)
    for frame in frames:
        # Pillow's encoders would write what stands in info, such as comments.
        frame.info = {}
    return picture


def _drawn_size(header: Header, plan: DecodePlan, limits: Limits) -> Size | None:
    """The size at which a drawing is drawn; None for any other picture.

    Raises TooManyPixels for its own size.  A wanted size may be larger than what is kept of it, so it becomes the
    largest one that is allowed.
    """
    if not header.form.is_vector:
        return None
    if plan.drawn:
        return limits.fitting(plan.drawn)
    limits.check_input(header.size)
    return header.size


def _frames(
    header: Header, plan: DecodePlan, limits: Limits
) -> tuple[tuple[Frame, ...], tuple[Milliseconds, ...], Colours]:
    """The frames, the duration of each in ms, and their colours."""
    colours = wanted = Colours()
    has_many = plan.all_frames and header.index is None and header.form.reads_animation
    canvas = Canvas(header.image.size)
    frames: list[Frame] = []
    durations: list[Milliseconds] = []
    for stored in stored_frames(header.form, header.image, header.data, limits, header.index, has_many=has_many):
        image, part = stored.image, stored.part
        try:
            plain = _read_pixels(header.form, image, plan)
            if plain is None:
                image.load()
                limits.check_input(image.size, len(frames) + 1)
                plain = deep_grey(image)
        except BROKEN:
            if not (is_lenient() and frames):
                raise
            break
        if not frames:
            # Some decoders read the profile only with the pixels.
            colours = colours_of(image.info, plain.mode)
            wanted = wanted_colours(colours, plain.mode, plan.icc)
        frame = converted(plain, colours, wanted)
        frame = frame if plan.is_deep else shallow(frame)
        if part:
            frame = canvas.show(frame, part)
        if stored.is_wanted:
            frame = upright(frame, header.orientation)
            frames.append(_detached(image, has_more=has_many and not part) if frame is image else frame)
            durations.append(stored.duration)
    return alike(frames), tuple(durations), wanted


def _read_pixels(form: Format, image: Image.Image, plan: DecodePlan) -> Frame | None:
    """The pixels by the format's own reader, of 16 bits if the result keeps them or if colours have to be converted."""
    colours = colours_of(image.info, image.mode)
    is_converted = not is_same(colours, wanted_colours(colours, image.mode, plan.icc))
    try:
        return form.read_pixels(image, plan.is_deep or is_converted)
    except BROKEN:
        if not is_lenient():
            raise
        # Pillow gives what there is.
        return None


def _detached(image: Image.Image, *, has_more: bool) -> Frame:
    """The pixels of an image file without the file: encoders would write the file's tags and frames."""
    if has_more:
        # Pillow decodes the next frame of an animation into the same image.
        return image.copy()
    # copy() would double the memory.
    return image._new(image.im)  # noqa: SLF001


def _source(header: Header, scale: int, decoded: Size) -> Source:
    """The part of a decoded frame that the picture covers.  At 1/scale, libjpeg rounds width and height up."""
    stored = header.size[::-1] if header.orientation in SIDEWAYS else header.size
    width, height = stored[0] / scale, stored[1] / scale
    start = header.form.scaled_start(scale)
    spare_x, spare_y = decoded[0] - width - start, decoded[1] - height - start
    if header.orientation in SIDEWAYS:
        width, height, spare_x, spare_y = height, width, spare_y, spare_x
    # The spare columns and rows move with the picture when it is turned upright.
    left = spare_x if header.orientation in (2, 3, 6, 7) else start
    top = spare_y if header.orientation in (3, 4, 7, 8) else start
    return Source(header.size, (left, top, width, height))


def _as_file(data: Data) -> IO[bytes]:
    """A seekable file over the bytes; a memory mapping is one already and is not copied."""
    if isinstance(data, mmap):
        data.seek(0)
        return data  # type: ignore[return-value]  # it has the read, seek and tell that Pillow calls
    return io.BytesIO(data)

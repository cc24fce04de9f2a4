"""Format: the row of one picture format, which holds everything that is particular to it.

A file of this folder has one such row, named FORMAT.  The machinery in `codecs/` reads rows and names no format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, BinaryIO, Protocol

from PIL import Image

from imgsrv.imaging.model.animation import ONCE, Animation, Milliseconds
from imgsrv.imaging.model.gain_map import GainMap, StoredGainMap
from imgsrv.imaging.model.limits import Data, ExactSize, Size
from imgsrv.imaging.model.picture import Frame, Picture
from imgsrv.imaging.pixels.palette import reduced

EFFORT_STEPS = 9
"""`effort` is 0 (fastest) to 9 (smallest) for every format; a row maps it onto the scale of its encoder."""

UNFIT = 0.05
"""Fitness of a format that names none."""

MOST_PLAYS = 65_535
"""The largest number of plays, or of repetitions, that files hold."""


class EncoderSettings(Protocol):
    """The output parameters that an encoder has a use for; `Output` has them all."""

    @property
    def quality(self) -> int:
        """A number from 1 to 100."""

    @property
    def lossless(self) -> bool:
        """Keep every pixel."""

    @property
    def effort(self) -> int | None:
        """A number from 0 to EFFORT_STEPS; None for the format's default."""

    @property
    def progressive(self) -> bool:
        """Progressive scans."""

    @property
    def subsampling(self) -> str:
        """`4:2:0` or `4:4:4`."""


@dataclass(frozen=True, slots=True)
class Fitness:
    """How well a format suits a picture for `format=auto`, 0 to 1, by what the picture shows."""

    photograph: float = UNFIT
    drawing: float = UNFIT
    animation: float = UNFIT
    pays: tuple[int, int] = (0, 1 << 62)
    """From how many pixels of all frames on, and up to how many, it is worth its time beside other formats."""

    def pays_for(self, pixels: int) -> bool:
        """It is worth its time for a result of so many pixels."""
        return self.pays[0] <= pixels <= self.pays[1]


@dataclass(frozen=True, slots=True)
class HeaderLayout:
    """How a format begins, so that a header check reads few bytes.

    start: bytes of the signature and of what follows it and cannot be skipped.
    joint: bytes that join the start to what follows the skipped parts.
    looked_at: bytes that are read behind the skipped parts.
    skipped: the size of a part that need not be read, from its first 8 bytes; 0 for a part that must be read.
    size: the size of the picture from the bytes that are read; None where Pillow has to look.
    """

    start: int
    joint: bytes
    looked_at: int
    skipped: Callable[[bytes], int]
    size: Callable[[bytes], Size | None] = lambda _known: None


PLAIN_BITS = 8
"""Bits of a channel of a plain picture."""

MOST_BLOCKS = 500_000
"""Blocks and chunks that are walked over: those of 100 MB in a good file, half a second in a hostile one."""


class TooManyBlocks(SyntaxError):
    """A file has more than MOST_BLOCKS blocks."""

    def __init__(self) -> None:
        super().__init__("it has too many blocks")


class ReadAsError(Exception):
    """A file that begins as one format is of another, which reads it.  name: of that format."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


Options = Mapping[str, Any]
"""Keyword arguments of Pillow's encoder."""

SizeReader = Callable[[bytes, bytes], Size | None]
"""The size that some bytes of a file give, from the bytes that were read before and the bytes themselves."""

Coded = tuple[Size, Size]
"""The size of a picture by its container, and by the stream of its coded pixels."""

AnimationWriter = Callable[[Picture, EncoderSettings, Options, BinaryIO], bool]
"""Writes all frames of a picture.  The options are those of the metadata and the profile."""

StillWriter = Callable[[Frame, EncoderSettings, Options, BinaryIO], bool]
"""Writes a still picture; False where Pillow has to.  The options are those of the metadata and the profile."""


GainMapWriter = Callable[["Format", Frame, GainMap, EncoderSettings, Options, BinaryIO], None]
"""Writes a still picture with a gain map.  The options are those of the encoder, the metadata and the profile."""


def _does_not_begin(_head: bytes) -> bool:
    return False


def _nothing() -> None:
    """A format that Pillow knows by itself."""


def _save(form: Format, frame: Frame, file: BinaryIO, options: Options) -> None:
    frame.save(file, form.pillow, **options)


def _plays(plays: int) -> Options:
    return {"loop": min(plays, MOST_PLAYS)}


def _metadata(exif: Image.Exif, xmp: bytes) -> Options:
    return {**({"xmp": xmp} if xmp else {}), **({"exif": exif.tobytes()} if len(exif) else {})}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Format:
    """One picture format.

    What it is called:
        name: the value of `format`.  label: its name for people.  pillow: its name in Pillow.
        media_type: its Content-Type in answers and its name in the Accept header.
        suffixes: endings of file names, with the dot.  The first one is written; all are recognised.
        position: its place in tables and messages; a format without one comes last.
        extra: the extra of imgsrv that brings the codec, empty where it is always there.
        wheel: the module that tells whether the extra is installed.
        writer: the same where the extra brings only the encoder, and the format is read without it.
        reader: the name in Pillow of a reader that this package has; empty where Pillow's own reads it.
        other_reader: the name of one that is tried where that one, or Pillow's, does not know the file.
        register: adds those readers, or the codec of the extra, to Pillow; calling it again does nothing.

    How a file is recognised:
        signatures: first bytes.  begins: a test of the first bytes for files without a signature.

    What it holds:
        fields: output parameters that it uses, beside format, background and metadata.
        default_quality: the quality without `quality`: that at which photographs are as like as in the other formats.
        has_alpha: it is written with transparency; otherwise `background` fills transparent parts.
        has_animation: animations are read and written with all their frames; otherwise only one frame is.
        shows_animation: animations are read with all their frames, and written with the first one only.
        has_metadata: it is written with EXIF and XMP.
        has_16_bits: it is written with 16 bits a channel where the picture has them.
        holds_cicp: its `write_still` writes the code points `cicp` that it finds among the options of the metadata.
        max_side: most pixels along one side that the encoder writes and this server reads again.
        max_area: most pixels in all, likewise.
        max_duration_ms: longest duration of one frame.
        is_vector: it has no pixels of its own and is drawn at any size by `draft`.
        exact_size: the size of a drawing, which need not be of whole pixels; None for a picture of pixels.

    How it is read:
        scales: denominators of the scales at which it is decoded faster, largest first.
        scale_spare: how many times smaller than a scale a result has to be at least, because scales are less exact.
        scaled_start: where the picture begins in a frame that is decoded at 1/scale, in pixels of that frame.
        counts_frames: the header gives the number of frames.
        count_pages: the number of pages of an opened image, for a description; None where they are too many.
        is_upright: the decoder applies the orientation and gives the upright size.
        blurs_drawings: its compression leaves no flat areas by which a drawing is recognised.
        size_in: reads sizes while Pillow reads the file, where Pillow would allocate too early.
        screen_bytes: first bytes that give the size by `size_in` alone, for the header check.
        header: what a header check reads; None where only an engine opens the format.
        plain: the size and the mode of a picture that has nothing beside its pixels, from the whole file: 8 bits a
            channel, one frame that lies upright, no transparency, no colours of its own.  Its facts are then known
            without opening it.  None where Pillow has to look.
        variant: the row of a kind of the format that is read in another way, from the opened file and all of its bytes,
            which a header check does not have; None for this row.
        unread_variant: what a file holds that Pillow does not read, and what to do about it.
        reads_parts: a file that is cut off or damaged is read as far as it goes.
        mended: a broken file with what lets its decoder read all that is there; None where nothing helps.
        coded: the sizes of the coded pictures, from the file and the opened image, where container and stream both
            give one.
        pictures: the files of further pictures that are decoded with the picture.
        decoded_area: the area that the decoder allocates, where it is not that of the picture.
        read_pixels: a decoder of the frame at which the image stands, given whether 16 bits a channel are wanted; None
            where it leaves the frame to Pillow.
        read_gain_map: the gain map in a file; None where it has none.  Raises SyntaxError.
        durations: milliseconds of each frame, from the file's structure, where `split` does not tell them.
        bit_depth: bits of a channel in the file, from its first bytes and the opened image; 0 where unknown.
        may_read_exif: False where Pillow would decode the whole picture to look for EXIF.
        split: takes an animation apart, None for a still picture; for a format whose animations are composed here.
        read_still: a faster reader of such a part, given its size; None where Pillow has to open it.
        plays: how often an animation plays, where neither `split` nor Pillow tells it.
        full_decodes: how often the whole picture is decoded before it is decoded as planned.
        decode_bytes_per_pixel: peak memory of reading it, in bytes for each pixel of all frames that are read.
        decode_bytes: memory of reading it that does not depend on the pixels.

    How it is written:
        options: the encoder's options; None for a format that is read only.
        write_animation: an encoder of animations; False for those that Pillow has to write.
        animation: further options of Pillow's encoder for an animation, from the number of plays.
        reduce: the frame in a palette of so many colours.
        write_still: a faster or more exact encoder for a still picture.
        save: calls Pillow's encoder.
        save_with_gain_map: the same for a picture with a gain map; None for a format that holds none.
        attach_metadata: the encoder's options for EXIF and XMP.
        has_resolution: it has a field of its own for pixels per inch, which the encoder is given as `dpi`.
        try_tag: raises one of BROKEN for EXIF that cannot be written.
        fitness: how well it suits pictures for `format=auto`.
        lossless_drawings: `format=auto` writes drawings without loss.
        browsers_show: all browsers of today show it; a result of another input has a format that every client shows.
        is_shown_everywhere: every client shows it, so that `Accept: */*` means it too.
        is_fallback: it holds every picture, and results of formats that are read only.
        encode_bytes_per_pixel: peak memory of writing it, in bytes for each pixel of all frames.
        result_bytes_per_pixel: bytes of a file for each pixel of all frames, of a photograph with alpha.
        deep_encode_bytes_per_pixel: the same for pictures of more than 8 bits; 0 where it is no more.
        slow_encode: an effort, and the bytes for each pixel at that effort and above it.

    The bytes for each pixel are those of noise in the mode that takes most.  Reading counts the pixels that it returns;
    writing does not count the pixels that it is given.  `tests/support/format_peaks.py` measures them.
    """

    name: str
    label: str
    pillow: str
    media_type: str
    suffixes: tuple[str, ...]
    position: int = 1000
    extra: str = ""
    wheel: str = ""
    writer: str = ""
    reader: str = ""
    other_reader: str = ""
    register: Callable[[], object] = _nothing

    signatures: tuple[bytes, ...] = ()
    begins: Callable[[bytes], bool] = _does_not_begin

    fields: tuple[str, ...] = ()
    default_quality: int = 80
    has_alpha: bool = True
    has_animation: bool = False
    shows_animation: bool = False
    has_metadata: bool = True
    has_16_bits: bool = False
    holds_cicp: bool = False
    max_side: int = 65_535
    max_area: int = 65_535**2
    max_duration_ms: int = 16_777_215
    is_vector: bool = False
    exact_size: Callable[[Image.Image], ExactSize | None] = lambda _image: None

    scales: tuple[int, ...] = ()
    scale_spare: float = 1.0
    scaled_start: Callable[[int], float] = lambda _scale: 0.0
    counts_frames: bool = False
    count_pages: Callable[[Image.Image], int | None] | None = None
    is_upright: bool = False
    blurs_drawings: bool = False
    size_in: SizeReader | None = None
    screen_bytes: int = 0
    header: HeaderLayout | None = None
    plain: Callable[[Data], tuple[Size, str] | None] = lambda _data: None
    variant: Callable[[IO[bytes], Data], Format | None] = lambda _file, _data: None
    unread_variant: Callable[[IO[bytes]], tuple[str, str] | None] = lambda _file: None
    reads_parts: bool = False
    mended: Callable[[bytes], bytes] | None = None
    coded: Callable[[bytes, Image.Image], Iterator[Coded]] | None = None
    pictures: Callable[[Image.Image], Iterable[bytes]] = lambda _image: ()
    decoded_area: Callable[[Image.Image], Size] | None = None
    read_pixels: Callable[[Image.Image, bool], Frame | None] = lambda _image, _is_deep: None
    read_gain_map: Callable[[Data], StoredGainMap | None] = lambda _data: None
    durations: Callable[[Data], Iterator[Milliseconds]] | None = None
    bit_depth: Callable[[bytes, Image.Image], int] = lambda _data, _image: 0
    may_read_exif: Callable[[Image.Image], bool] = lambda _image: True
    split: Callable[[Data], Animation | None] | None = None
    read_still: Callable[[bytes, Size], Frame | None] = lambda _data, _size: None
    plays: int = ONCE
    full_decodes: int = 0
    decode_bytes_per_pixel: float = 20
    decode_bytes: int = 0

    options: Callable[[EncoderSettings], Options] | None = lambda _settings: {}
    animation: Callable[[int], Options] = _plays
    write_animation: AnimationWriter | None = None
    reduce: Callable[[Frame, int], Frame] = reduced
    write_still: StillWriter | None = None
    save: Callable[[Format, Frame, BinaryIO, Options], None] = _save
    save_with_gain_map: GainMapWriter | None = None
    attach_metadata: Callable[[Image.Exif, bytes], Options] = _metadata
    has_resolution: bool = False
    try_tag: Callable[[Image.Exif], object] = Image.Exif.tobytes
    fitness: Fitness = field(default_factory=Fitness)
    lossless_drawings: bool = False
    browsers_show: bool = False
    is_shown_everywhere: bool = False
    is_fallback: bool = False
    encode_bytes_per_pixel: float = 12
    deep_encode_bytes_per_pixel: float = 0
    result_bytes_per_pixel: float = 0.5
    slow_encode: tuple[int, float] = (EFFORT_STEPS + 1, 0)

    def bytes_to_encode(self, effort: int | None, *, is_deep: bool) -> float:
        """The peak memory of writing it at that effort, in bytes for each pixel.  is_deep: of more than 8 bits."""
        from_effort, needed = self.slow_encode
        if is_deep and self.deep_encode_bytes_per_pixel:
            return self.deep_encode_bytes_per_pixel
        return needed if effort is not None and effort >= from_effort else self.encode_bytes_per_pixel

    @property
    def reads_animation(self) -> bool:
        """Animations are read with all their frames."""
        return self.has_animation or self.shows_animation

    @property
    def is_written(self) -> bool:
        """Pictures can be saved in it."""
        return self.options is not None

    @property
    def extra_name(self) -> str:
        """Its extra in a message, as `imgsrv/installed.py` finds it."""
        return f"the extra `{self.extra}`"


def scaled_effort(effort: int, highest: int) -> int:
    """An effort of 0 to EFFORT_STEPS on a scale of 0 to `highest`."""
    return round(effort * highest / EFFORT_STEPS)

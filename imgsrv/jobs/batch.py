"""Several outputs of one picture, which is decoded once; the outputs are made and encoded one after another."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from imgsrv.imaging.codecs.auto_format import Offers
from imgsrv.imaging.codecs.decode import Header, read_header
from imgsrv.imaging.codecs.placeholders import media_type_of, suffix_of
from imgsrv.imaging.codecs.what_is_there import as_far_as_it_goes
from imgsrv.imaging.model.limits import NO_PARTS, Data, Limits, Size
from imgsrv.imaging.pipelines.cost import check_job
from imgsrv.jobs.archive import Archive, Entry
from imgsrv.jobs.shared import Rules, Shared, share
from imgsrv.jobs.variants import Variant, naming


@dataclass(frozen=True, slots=True)
class BatchReport:
    """The seconds of each stage.  media_type: of the archive.  pixels: of the input, in all its frames.

    is_broken: the outputs show only what was there of a broken picture.  formats: of the outputs, in their order.
    """

    media_type: str
    pixels: int
    decode_s: float
    operations_s: float
    encode_s: float
    is_broken: bool = False
    formats: tuple[str, ...] = ()


def process_batch(
    archive: Archive,
    data: Data,
    variants: Sequence[Variant],
    limits: Limits,
    parts: Mapping[str, Data] = NO_PARTS,
    clock: Callable[[], float] = time.monotonic,
    *,
    offers: Offers = (),
) -> BatchReport:
    """Put every output into the archive.

    parts: the further parts of the upload that steps need.  Raises what `process` raises; the error of one output
    carries its name.  All outputs together may have as many pixels as one picture.  Widths that the picture does not
    have give its own width, once.
    """
    started = clock()

    def read(data: Data) -> tuple[Header, Shared]:
        with variants[0].output.naming_its_frame():
            header = read_header(data, limits, variants[0].output.index)
        check_job(header, data, [(one.output, one.pipeline) for one in variants], limits, parts, offers)
        return header, share(header, data, variants, Rules(limits, parts, offers, clock))

    (header, shared), is_broken = as_far_as_it_goes(data, variants[0].output.broken, read)
    decode_s, encode_s, pixels = clock() - started, 0.0, 0
    formats: list[str] = []
    sizes: list[Size] = []
    for variant in variants:
        with naming(variant.name):
            made = shared.make(variant)
            decode_s += made.decode_s
            if variant.is_width and made.size in sizes:
                continue
            sizes.append(made.size)
            pixels += made.size[0] * made.size[1] * made.frames
            limits.check_results(made.size, pixels)
            done = clock()
            # Each in a file of its own, because not every encoder can begin in the middle of a file.
            file = io.BytesIO()
            made.encode(file)
            called = str(made.size[0]) if variant.is_width else variant.name
            archive.add(Entry(called, suffix_of(made.name), media_type_of(made.name), made.size), file.getbuffer())
            formats.append(made.name)
            encode_s += clock() - done
    came = header.size[0] * header.size[1] * shared.frames
    operations_s = clock() - started - decode_s - encode_s
    return BatchReport(archive.media_type, came, decode_s, operations_s, encode_s, is_broken, tuple(formats))

"""The sizes in AV1 bitstreams and in the boxes around them are found, and a hostile file ends the search."""

from __future__ import annotations

import struct

import pytest
from boxed import full_box, item_box
from pictures import animation
from PIL import Image

from imgsrv.imaging.formats.avif import FORMAT
from imgsrv.imaging.formats.iso.av1 import MOST_SEQUENCES, coded_sizes
from imgsrv.imaging.formats.iso.media import MOST_STEPS, IsoMedia, Steps

SIZE = (8, 8)


class Bits:
    """Numbers, highest bit first."""

    def __init__(self, *numbers: tuple[int, int]) -> None:
        self.text = "".join(f"{value:0{count}b}" for value, count in numbers)

    def data(self) -> bytes:
        padded = self.text + "1" + "0" * (-(len(self.text) + 1) % 8)
        return int(padded, 2).to_bytes(len(padded) // 8, "big")


def obu(kind: int, content: bytes) -> bytes:
    return bytes([kind << 3 | 2, len(content)]) + content


def sequence(*, has_order: bool = False, size: tuple[int, int] = SIZE) -> bytes:
    """A sequence header of 8×8 whose frames may have 16 bits for each side."""
    order = [(0, 2)] if has_order else []
    hint_bits = [(6, 3)] if has_order else []
    return obu(
        1,
        Bits(
            *((0, 3), (0, 1), (0, 1)),
            # No timing, no delay, one operating point of level 8 with a tier.
            *((0, 1), (0, 1), (0, 5), (0, 12), (8, 5), (0, 1)),
            *((15, 4), (15, 4), (size[0] - 1, 16), (size[1] - 1, 16)),
            *((0, 1), (0, 7), (int(has_order), 1), *order),
            # Screen content is off, order hints of 7 bits.
            *((0, 1), (0, 1), *hint_bits, (0, 8)),
        ).data(),
    )


def key_frame(size: tuple[int, int] | None) -> bytes:
    own = [(1, 1), (size[0] - 1, 16), (size[1] - 1, 16)] if size else [(0, 1)]
    return obu(6, Bits((0, 1), (0, 2), (1, 1), (0, 1), *own).data())


def inter_frame(size: tuple[int, int], *, is_resilient: bool) -> bytes:
    """A frame with order hints that refers to others, and to the size of none."""
    before = [(0, 1), (1, 2), (1, 1), (int(is_resilient), 1), (0, 1), (1, 1), (5, 7)]
    references = [(0, 8), *([(0, 56)] if is_resilient else []), (0, 1), *[(0, 3)] * 7]
    first = [] if is_resilient else [(0, 3)]
    found = [] if is_resilient else [(0, 7)]
    return obu(6, Bits(*before, *first, *references, *found, (size[0] - 1, 16), (size[1] - 1, 16)).data())


def shown_again() -> bytes:
    return obu(3, Bits((1, 1), (3, 3)).data())


@pytest.mark.parametrize(
    ("stream", "sizes"),
    [
        pytest.param(sequence() + key_frame(None), [SIZE], id="a-frame-of-the-sequences-size"),
        pytest.param(sequence() + key_frame((6000, 50)), [SIZE, (6000, 50)], id="a-frame-of-its-own-size"),
        pytest.param(sequence() + key_frame(None) + shown_again(), [SIZE], id="a-frame-that-is-shown-again"),
        pytest.param(
            sequence(has_order=True) + inter_frame((900, 70), is_resilient=False),
            [SIZE, (900, 70)],
            id="a-frame-that-refers-to-others",
        ),
        pytest.param(
            sequence(has_order=True) + inter_frame((900, 70), is_resilient=True),
            [SIZE, (900, 70)],
            id="a-resilient-frame-that-refers-to-others",
        ),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_the_sizes_of_sequences_and_frames_are_found(stream: bytes, sizes: list[tuple[int, int]]) -> None:
    assert list(coded_sizes(stream, Steps(), [])) == sizes


@pytest.mark.parametrize("stream", [key_frame((900, 70)), key_frame(None), key_frame(None) + sequence()])
def test_a_frame_without_a_sequence_is_an_error_of_a_broken_file(stream: bytes) -> None:
    with pytest.raises(SyntaxError, match="no sequence header"):
        list(coded_sizes(stream, Steps(), []))


def test_too_many_different_sequences_are_an_error_of_a_broken_file() -> None:
    headers = [sequence(size=(side, 8)) for side in range(1, MOST_SEQUENCES + 2)]

    assert len(list(coded_sizes(b"".join(headers[1:] * 3), Steps(), []))) == 3 * MOST_SEQUENCES
    with pytest.raises(SyntaxError, match="more than 8 different"):
        list(coded_sizes(b"".join(headers), Steps(), []))


def test_a_sequence_header_that_is_cut_off_is_an_error_of_a_broken_file() -> None:
    with pytest.raises(SyntaxError, match="cut off"):
        list(coded_sizes(sequence()[:5], Steps(), []))


def test_every_frame_of_an_animation_has_the_size_of_the_picture() -> None:
    frames = [Image.effect_noise((120, 80), 50).convert("RGB") for _ in range(5)]
    data = animation(frames, "AVIF", speed=10, max_threads=1, duration=50)
    tracks = [list(samples) for samples in IsoMedia(data, Steps()).tracks(b"av01")]

    assert [len(samples) for samples in tracks] == [5]
    assert {coded for _said, coded in coded(data)} == {(120, 80)}


def coded(data: bytes) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The sizes by container and stream that are compared before an AVIF is decoded."""
    assert FORMAT.coded
    return list(FORMAT.coded(data, Image.new("RGB", SIZE)))


def table(*parts: bytes) -> bytes:
    described = full_box(b"stsd", struct.pack(">I", 1) + item_box(b"av01", bytes(78)))
    content = item_box(b"stbl", described + b"".join(parts))
    for kind in (b"minf", b"mdia", b"trak", b"moov"):
        content = item_box(kind, content)
    return content


def tracks(*each: list[bytes]) -> bytes:
    """Samples one after another, and behind them a track for each list."""
    data, boxes, at = b"".join(sample for samples in each for sample in samples), b"", 0
    for samples in each:
        sizes = struct.pack(f">{2 + len(samples)}I", 0, len(samples), *map(len, samples))
        boxes += table(
            full_box(b"stsz", sizes),
            full_box(b"stsc", struct.pack(">IIII", 1, 1, len(samples), 1)),
            full_box(b"stco", struct.pack(">II", 1, 8 + at)),
        )
        at += sum(map(len, samples))
    return item_box(b"mdat", data) + boxes


def test_a_sample_without_a_sequence_is_read_with_that_of_a_sample_before() -> None:
    data = tracks([sequence() + key_frame(None), key_frame(None), key_frame((6000, 50))])

    assert coded(data) == [(SIZE, SIZE), (SIZE, (6000, 50))]


def test_a_sample_without_a_sequence_is_read_with_each_that_a_decoder_may_have_when_it_jumps() -> None:
    reduced = obu(1, Bits((0, 3), (1, 1), (1, 1), (0, 5), (15, 4), (15, 4), (7, 16), (7, 16)).data())
    data = tracks([sequence() + key_frame(None), reduced, key_frame((6000, 50))])

    assert coded(data)[-1] == (SIZE, (6000, 50))


def test_a_sample_is_not_read_with_the_sequence_of_another_track() -> None:
    with pytest.raises(SyntaxError, match="no sequence header"):
        coded(tracks([sequence() + key_frame(None)], [key_frame((6000, 50))]))


ENDLESS_SAMPLES = table(
    full_box(b"stsz", struct.pack(">II", 1, 2**32 - 1)),
    full_box(b"stsc", struct.pack(">IIII", 1, 1, 2**32 - 1, 1)),
    full_box(b"stco", struct.pack(">II", 1, 0)),
)


def test_a_table_of_four_thousand_million_samples_ends_the_search() -> None:
    with pytest.raises(SyntaxError, match="more than 200,000 parts"):
        [list(samples) for samples in IsoMedia(ENDLESS_SAMPLES, Steps()).tracks(b"av01")]


def test_a_stream_of_empty_parts_ends_the_search() -> None:
    with pytest.raises(SyntaxError, match="more than 200,000 parts"):
        list(coded_sizes(b"\x12\0" * (MOST_STEPS + 1), Steps(), []))


def test_items_that_are_listed_again_and_again_end_the_search() -> None:
    places = struct.pack(">HH", 0x0000, 0xFFFF) + b"\0\1\0\0\xff\xff" * 0xFFFF
    data = full_box(b"meta", full_box(b"iloc", places))

    with pytest.raises(SyntaxError, match="more than 200,000 parts"):
        IsoMedia(data, Steps()).items()


@pytest.mark.parametrize("kind", [b"iinf", b"iprp", b"iloc"])
def test_a_box_that_is_too_short_is_an_error_of_a_broken_file(kind: bytes) -> None:
    whole = {b"iinf": full_box(b"infe", b"\0", 2), b"iprp": item_box(b"ipma", bytes(4)), b"iloc": b"\x44\0\0\1"}[kind]
    box = item_box(kind, whole) if kind == b"iprp" else full_box(kind, (b"\0\1" if kind == b"iinf" else b"") + whole)

    with pytest.raises(struct.error):
        IsoMedia(full_box(b"meta", box), Steps()).items()

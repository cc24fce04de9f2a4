"""The sizes in an AV1 bitstream: those of its sequence headers and of frames with a size of their own; its colours.

The names are those of the AV1 specification (sections 5.3, 5.5 and 5.9).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from imgsrv.imaging.formats.iso.media import Steps
from imgsrv.imaging.model.cicp import UNSPECIFIED, Cicp
from imgsrv.imaging.model.limits import Size

SEQUENCE_HEADER, FRAME_HEADER, FRAME, REDUNDANT_FRAME_HEADER = 1, 3, 6, 7
"""Types of OBUs, the parts of a bitstream."""

KEY_FRAME, INTRA_ONLY_FRAME, SWITCH_FRAME = 0, 2, 3

SELECTED_BY_FRAME = 2
"""The value of `seq_force_screen_content_tools` and `seq_force_integer_mv` where each frame has its own."""

HEADER_BYTES = 512
"""Most bytes of a sequence header; its 32 operating points take at most 13 each."""

LEAST_SEQUENCE = 4
"""Least bytes of a sequence header."""

ALL_FRAMES = 0xFF
"""Every reference frame is replaced."""

REFERENCES, SLOTS = 7, 8
"""Frames that a frame may refer to, and places of reference frames."""

MOST_SEQUENCES = 8
"""Most different sequence headers of one stream.  A file that keeps the rules has one."""

NOT_SAID = Cicp()

RGB_CODES = (1, 13, 0)
"""Primaries, transfer and matrix of sRGB that is stored as red, green and blue."""

SIZE_BYTES = 8
"""Most bytes of the size of an OBU."""


class _Bits:
    """Reads numbers from bytes, highest bit first.  Beyond the end it reads zeros."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        value = self._value >> self._left if self._left >= 0 else self._value << -self._left
        return value & ((1 << count) - 1)

    def take_uvlc(self) -> int:
        zeros = 0
        while self._left > 0 and not self.take(1):
            zeros += 1
        return 0 if zeros >= 32 else (1 << zeros) - 1 + self.take(zeros)  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class Sequence:
    """The facts in a sequence header, as far as it decides the sizes of frames.

    side_bits: bits of the width and the height of a frame.  presentation_bits: of the time of a frame; 0 for none.
    removal_bits: of the time at which a buffer is free, and the operating points that have one; None for no model.
    id_bits, delta_bits: of the number of a frame, and of the difference of two; 0 where frames have no number.
    cicp: the colours, which decide no size.
    """

    size: Size
    is_reduced: bool = True
    side_bits: tuple[int, int] = (0, 0)
    presentation_bits: int = 0
    removal_bits: int | None = None
    operating_points: tuple[tuple[int, bool], ...] = ()
    id_bits: int = 0
    delta_bits: int = 0
    screen_content: int = SELECTED_BY_FRAME
    integer_mv: int = SELECTED_BY_FRAME
    order_bits: int = 0
    cicp: Cicp = NOT_SAID


def coded_sizes(data: bytes | memoryview, steps: Steps, known: list[Sequence]) -> Iterator[Size]:
    """The size of each sequence and of each frame with a size of its own.

    Each OBU takes a step, and a frame one more for each header that it is read with.

    known: the sequence headers of the samples before this one, to which its own are added.  A decoder keeps a header
    for the samples after it, and a decoder that jumps to a sample may have any of them.  So a frame without a header
    in its own sample is read with each.

    Raises SyntaxError for a frame without any header, for too many different headers, and for a header that is cut
    off: 50,000 empty ones take 0.3 s.
    """
    ruling = known
    for kind, layers, start, end in _obus(data, steps):
        if kind == SEQUENCE_HEADER:
            if end - start < LEAST_SEQUENCE:
                raise SyntaxError("a sequence header of it is cut off")
            sequence = read_sequence(bytes(data[start : min(end, start + HEADER_BYTES)]))
            ruling = [sequence]
            _remember(sequence, known)
            yield sequence.size
        elif kind in (FRAME_HEADER, FRAME, REDUNDANT_FRAME_HEADER):
            if not ruling:
                raise SyntaxError("a frame of it has no sequence header")
            head = bytes(data[start : min(end, start + HEADER_BYTES)])
            for sequence in ruling:
                steps.take()
                if not sequence.is_reduced and (own := _own_size(_Bits(head), sequence, layers)):
                    yield own


def _remember(sequence: Sequence, known: list[Sequence]) -> None:
    if sequence in known:
        return
    if len(known) >= MOST_SEQUENCES:
        raise SyntaxError(f"it has more than {MOST_SEQUENCES} different sequence headers")
    known.append(sequence)


def _obus(data: bytes | memoryview, steps: Steps) -> Iterator[tuple[int, tuple[int, int] | None, int, int]]:
    """Type, temporal and spatial layer, and the positions where the content begins and ends, of each OBU."""
    at = 0
    while at < len(data):
        steps.take()
        head = data[at]
        at += 1
        layers = None
        if head & 0x04 and at < len(data):
            layers = data[at] >> 5, data[at] >> 3 & 3
            at += 1
        end = len(data)
        if head & 0x02:
            size = 0
            for count in range(SIZE_BYTES):
                if at >= len(data):
                    return
                size |= (data[at] & 0x7F) << 7 * count
                at += 1
                if not data[at - 1] & 0x80:
                    break
            end = min(end, at + size)
        yield head >> 3 & 0x0F, layers, at, end
        at = end


def first_sequence(data: bytes) -> Sequence | None:
    """The first sequence header in the beginning of a bitstream.  None if it has none."""
    for kind, _layers, start, end in _obus(data, Steps()):
        if kind == SEQUENCE_HEADER:
            return read_sequence(data[start:end])
    return None


def read_sequence(data: bytes) -> Sequence:
    """The sequence header in `data` (5.5.1)."""
    bits = _Bits(data)
    profile = bits.take(3)
    # Whether the sequence is a still picture.
    bits.take(1)
    is_reduced = bool(bits.take(1))
    if is_reduced:
        bits.take(5)
    presentation_bits, removal_bits, points = (0, None, ()) if is_reduced else _timing(bits)
    side_bits = bits.take(4) + 1, bits.take(4) + 1
    size = bits.take(side_bits[0]) + 1, bits.take(side_bits[1]) + 1
    if is_reduced:
        # Superblocks, filter_intra and edge_filter; superres, cdef and restoration.
        bits.take(6)
        return Sequence(size, cicp=_colours(bits, profile))
    id_bits = delta_bits = 0
    if bits.take(1):
        delta_bits = bits.take(4) + 2
        id_bits = delta_bits + bits.take(3) + 1
    # Superblocks, filter_intra, edge_filter, interintra, masked_compound, warped_motion, dual_filter.
    bits.take(7)
    has_order = bits.take(1)
    if has_order:
        bits.take(2)
    screen_content = SELECTED_BY_FRAME if bits.take(1) else bits.take(1)
    integer_mv = SELECTED_BY_FRAME
    if screen_content > 0 and not bits.take(1):
        integer_mv = bits.take(1)
    order_bits = bits.take(3) + 1 if has_order else 0
    bits.take(3)
    return Sequence(
        *(size, False, side_bits, presentation_bits, removal_bits, points),
        *(id_bits, delta_bits, screen_content, integer_mv, order_bits, _colours(bits, profile)),
    )


def _colours(bits: _Bits, profile: int) -> Cicp:
    """The colours of a sequence (5.5.2)."""
    is_deep = bits.take(1)
    if profile == 2 and is_deep:  # noqa: PLR2004  the profile of 12 bits
        bits.take(1)
    is_grey = profile != 1 and bits.take(1)
    codes = (bits.take(8), bits.take(8), bits.take(8)) if bits.take(1) else (UNSPECIFIED,) * 3
    return Cicp(*codes, is_full_range=(codes == RGB_CODES and not is_grey) or bool(bits.take(1)))


def _timing(bits: _Bits) -> tuple[int, int | None, tuple[tuple[int, bool], ...]]:
    """The bits of the two times of a frame, and for each operating point its layers and whether it has a model."""
    presentation_bits, removal_bits, delay_bits = 0, None, 0
    if bits.take(1):
        bits.take(64)
        is_equal = bits.take(1)
        if is_equal:
            bits.take_uvlc()
        if bits.take(1):
            delay_bits = bits.take(5) + 1
            bits.take(32)
            removal_bits = bits.take(5) + 1
            presentation_bits = bits.take(5) + 1
            presentation_bits = 0 if is_equal else presentation_bits
    has_delay = bits.take(1)
    points = []
    for _ in range(bits.take(5) + 1):
        layers = bits.take(12)
        if bits.take(5) > 7:  # noqa: PLR2004  higher levels have a tier
            bits.take(1)
        has_model = bool(removal_bits is not None and bits.take(1))
        if has_model:
            bits.take(2 * delay_bits + 1)
        if has_delay and bits.take(1):
            bits.take(4)
        points.append((layers, has_model))
    return presentation_bits, removal_bits, tuple(points)


def _own_size(bits: _Bits, sequence: Sequence, layers: tuple[int, int] | None) -> Size | None:
    """The size that the header of a frame gives; None if it has that of the sequence or of another frame (5.9.2)."""
    if bits.take(1):
        # It shows a frame that was decoded before.
        return None
    kind, is_shown = bits.take(2), bits.take(1)
    bits.take(sequence.presentation_bits if is_shown else 1)
    is_reset = kind == SWITCH_FRAME or (kind == KEY_FRAME and bool(is_shown))
    is_resilient = is_reset or bool(bits.take(1))
    bits.take(1)
    screen_content = bits.take(1) if sequence.screen_content == SELECTED_BY_FRAME else sequence.screen_content
    bits.take(1 if screen_content and sequence.integer_mv == SELECTED_BY_FRAME else 0)
    bits.take(sequence.id_bits)
    if kind != SWITCH_FRAME and not bits.take(1):
        return None
    is_intra = kind in (KEY_FRAME, INTRA_ONLY_FRAME)
    bits.take(sequence.order_bits + (0 if is_intra or is_resilient else 3))
    if sequence.removal_bits is not None and bits.take(1):
        timed = sum(has_model and _is_in(point, layers) for point, has_model in sequence.operating_points)
        bits.take(timed * sequence.removal_bits)
    replaced = ALL_FRAMES if is_reset else bits.take(8)
    if is_resilient and not (is_intra and replaced == ALL_FRAMES):
        bits.take(SLOTS * sequence.order_bits)
    if not is_intra and _refers_to_size(bits, sequence, is_resilient=is_resilient):
        return None
    return bits.take(sequence.side_bits[0]) + 1, bits.take(sequence.side_bits[1]) + 1


def _refers_to_size(bits: _Bits, sequence: Sequence, *, is_resilient: bool) -> bool:
    """Skip the references of a frame.  True if its size is that of one of them."""
    is_short = bool(sequence.order_bits and bits.take(1))
    bits.take(6 if is_short else 0)
    for _ in range(REFERENCES):
        bits.take((0 if is_short else 3) + sequence.delta_bits)
    return not is_resilient and any(bits.take(1) for _ in range(REFERENCES))


def _is_in(point: int, layers: tuple[int, int] | None) -> bool:
    """True if the operating point has the layers of a frame."""
    temporal, spatial = layers or (0, 0)
    return not point or bool(point >> temporal & 1 and point >> spatial + 8 & 1)

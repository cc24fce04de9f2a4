"""An entry as bytes: nothing that is torn, damaged, or another entry is ever read as one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgsrv.web.cache.entry import HEADER, BadEntry, Entry, pack, split, unpack

KEY, OTHER_KEY = bytes(range(32)), bytes(32)
ENTRY = Entry("image/webp", 640, 480, is_broken=False, made_at=1_790_000_000.25, body=b"RIFF" + bytes(range(256)) * 9)
DATA = b"".join(pack(KEY, ENTRY))


@given(
    st.builds(
        Entry,
        st.sampled_from(["image/png", "image/svg+xml", "text/plain; charset=utf-8"]),
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**32 - 1),
        st.booleans(),
        st.floats(0, 1e12),
        st.binary(max_size=300),
    )
)
def test_an_entry_is_read_as_it_was_written(entry: Entry) -> None:
    assert unpack(KEY, *split(b"".join(pack(KEY, entry)))) == entry


@pytest.mark.parametrize("size", [0, 1, HEADER.size - 1, HEADER.size, len(DATA) - 1])
def test_a_torn_entry_is_none(size: int) -> None:
    with pytest.raises(BadEntry):
        unpack(KEY, *split(DATA[:size]))


def test_an_entry_that_goes_on_is_none() -> None:
    with pytest.raises(BadEntry):
        unpack(KEY, *split(DATA + b"\0"))


def test_no_bit_of_an_entry_may_change() -> None:
    for place in range(len(DATA)):
        damaged = bytearray(DATA)
        damaged[place] ^= 0x10
        with pytest.raises(BadEntry):
            unpack(KEY, *split(bytes(damaged)))


def test_the_entry_of_another_key_is_none() -> None:
    with pytest.raises(BadEntry):
        unpack(OTHER_KEY, *split(DATA))


@given(st.binary(max_size=400))
def test_what_is_no_entry_is_none(data: bytes) -> None:
    with pytest.raises(BadEntry):
        unpack(KEY, *split(data))

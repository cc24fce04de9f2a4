"""Inputs that fuzzing has found, by the name of their reader: each broke its reader once, and harms nothing else."""

from __future__ import annotations

FOUND: dict[str, tuple[bytes, ...]] = {
    ".cube": (b"LUT_3D_SIZE 2\n" + b"1e300 0 0\n" * 8,),
    "bitstream of an AVIF": (b"\x0a\0" * 100,),
    "job": (
        b'{"kind": "describe", "request_id": "id", "input": [0, 1e999, {}], "include": ["palette"]}',
        b'{"kind": "describe", "request_id": "id", "input": [-1, 1, {}], "include": ["palette"]}',
    ),
    "names of outputs": (b'[{"name": "a", "\\ud800": 1}]',),
    "SVG": (b'<svg width="1e-320" viewBox="0 0 1e8 1e8"/>',),
    "XMP": (b"<dc:title>&#" + b"1" * 5000 + b";</dc:title>",),
}

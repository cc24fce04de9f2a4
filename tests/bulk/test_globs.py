"""Patterns of paths: what they match, and what `imgsrv convert` makes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pictures import encoded, picture

from imgsrv.bulk.globs import Glob, is_glob, parse_glob
from imgsrv.errors import BadArgument

SQUARE = encoded(picture("RG/BY"))

Convert = Callable[..., int]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("photos/*.jpg", Glob("photos", ("*.jpg",))),
        ("*.jpg", Glob("", ("*.jpg",))),
        ("/srv/photos/20??/**/*.jpg", Glob("/srv/photos", ("20??", "**", "*.jpg"))),
        ("/*/a.jpg", Glob("/", ("*", "a.jpg"))),
        ("photos/**", Glob("photos", ("**", "*"))),
        ("s3://bucket/2026/*.jpg", Glob("s3://bucket/2026", ("*.jpg",))),
        ("a[bc]/d", Glob("", ("a[bc]", "d"))),
    ],
)
def test_a_pattern_begins_where_the_first_sign_of_one_is(text: str, expected: Glob) -> None:
    assert is_glob(text)
    assert parse_glob(text) == expected


@pytest.mark.parametrize(
    ("pattern", "path", "does"),
    [
        ("*.jpg", "a.jpg", True),
        ("*.jpg", "a/b.jpg", False),
        ("*/b.jpg", "a/b.jpg", True),
        ("*.jpg", "a.JPG", False),
        ("**/*.jpg", "a.jpg", True),
        ("**/*.jpg", "a/b/c.jpg", True),
        ("**/b/*.jpg", "a/b/c.jpg", True),
        ("**/b/*.jpg", "b/c.jpg", True),
        ("**/b/*.jpg", "a/c.jpg", False),
        ("*/**/b/**/c", "a/b/c", True),
        ("*/**/b/**/c", "a/x/b/y/z/c", True),
        ("*/**/b/**/c", "a/x/y/c", False),
        ("20[0-9][0-9]/?.jpg", "2026/a.jpg", True),
        ("20[0-9][0-9]/?.jpg", "20ab/a.jpg", False),
        ("**", "a/b", True),
    ],
)
def test_a_pattern_matches_as_in_the_shell(pattern: str, path: str, does: bool) -> None:  # noqa: FBT001  a value
    assert parse_glob(pattern).matches(path.split("/")) is does


def test_many_patterns_for_any_folders_take_no_longer_than_one() -> None:
    pattern = parse_glob("/".join(["**", "a"] * 40) + "/*.jpg")

    assert not pattern.matches(["a"] * 300)


def test_the_folders_that_a_pattern_matched_are_those_of_the_results(imgsrv: Convert) -> None:
    for name in ("in/2025/a.png", "in/2026/a.png", "in/2026/b.gif", "in/2026/deep/c.png", "in/.git/d.png", "in/e.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(SQUARE)

    assert imgsrv("in/20*/*.png", "in/**/c.*", "out/", "flip") == 0

    assert sorted(str(file.relative_to("out")) for file in Path("out").rglob("*.png")) == [
        "2025/a.png",
        "2026/a.png",
        "2026/deep/c.png",
    ]


def test_a_file_with_the_signs_of_a_pattern_in_its_name_is_itself(imgsrv: Convert) -> None:
    Path("a[1].png").write_bytes(SQUARE)
    Path("a1.png").write_bytes(SQUARE)

    assert imgsrv("a[1].png", "out.png") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("in/*.jpg", "out/"), r"no picture matches in/\*\.jpg; pictures end with"),
        (("none/*.jpg", "out/"), "there is no file none"),
        (("in/*.png", "out.png"), "several pictures need a folder"),
        (("in/*.png", "in/?.png", "out/"), "would both become out/a.png"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused(imgsrv: Convert, arguments: tuple[str, ...], message: str) -> None:
    Path("in").mkdir()
    Path("in/a.png").write_bytes(SQUARE)

    with pytest.raises(BadArgument, match=message):
        imgsrv(*arguments)

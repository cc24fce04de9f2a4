"""Presets: what they expand to, and what is refused beside them."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from imgsrv.errors import PresetNotAllowed, PresetsOnly, RepeatedParameter, UnknownPreset, UnusableParameters
from imgsrv.web.access.presets import BadPreset, Presets
from imgsrv.web.query import parse_operations

QUERIES = {
    "thumb": "ops=resize:width=200,height=200,fit=cover/sharpen&format=webp&quality=70",
    "grey": "ops=grayscale",
    "small": "format=avif",
}
FREE, ONLY = Presets(QUERIES), Presets(QUERIES, only=True)


def expanded(query: str, presets: Presets = FREE, allowed: tuple[str, ...] | None = None) -> list[tuple[str, str]]:
    return parse_qsl(presets.expand(query, allowed), keep_blank_values=True)


@pytest.mark.parametrize(
    ("query", "same"),
    [
        pytest.param("preset=thumb", QUERIES["thumb"], id="alone"),
        pytest.param("preset=small", "format=avif", id="without-steps"),
        pytest.param(
            "preset=thumb,grey",
            "ops=resize:width=200,height=200,fit=cover/sharpen/grayscale&format=webp&quality=70",
            id="two-one-after-another",
        ),
        pytest.param(
            "preset=thumb,small",
            "ops=resize:width=200,height=200,fit=cover/sharpen&format=avif&quality=70",
            id="the-later-one-wins",
        ),
        pytest.param("preset=grey&ops=flip", "ops=grayscale/flip", id="the-steps-of-the-request-follow"),
        pytest.param("format=png&preset=small", "format=png", id="the-parameter-of-the-request-wins"),
    ],
)
def test_a_request_with_a_preset_is_the_request_without(query: str, same: str) -> None:
    assert parse_operations(FREE.expand(query, None)) == parse_operations(same)


def test_a_request_without_a_preset_stays_as_it_is() -> None:
    assert FREE.expand("ops=flip&x=%41", None) == "ops=flip&x=%41"


def test_other_parameters_stay_for_the_route_to_judge() -> None:
    assert ("source", "https://x/a b.jpg") in expanded("preset=grey&source=https%3A%2F%2Fx%2Fa%20b.jpg")
    assert [pair for pair in expanded("preset=grey&quality=1&quality=2") if pair[0] == "quality"] == [
        ("quality", "1"),
        ("quality", "2"),
    ]


def test_an_unknown_preset_is_named_with_the_nearest_one() -> None:
    with pytest.raises(UnknownPreset, match=r"no preset 'thump'; did you mean thumb\? it has thumb, grey and small"):
        FREE.expand("preset=thump", None)


@pytest.mark.parametrize("query", ["preset=grey&preset=thumb", "preset=grey&ops=flip&ops=flop"])
def test_a_repeated_parameter_is_refused(query: str) -> None:
    with pytest.raises(RepeatedParameter):
        FREE.expand(query, None)


def test_a_query_of_very_many_parameters_is_refused() -> None:
    with pytest.raises(UnusableParameters):
        FREE.expand("preset=grey" + "&a" * 200, None)


@pytest.mark.parametrize(
    "query", ["", "ops=flip", "preset=grey&ops=flip", "preset=grey&format=png", "preset=grey&width=9", "quality=9"]
)
def test_presets_only_refuses_everything_else(query: str) -> None:
    with pytest.raises(PresetsOnly):
        ONLY.expand(query, None)
    with pytest.raises(PresetsOnly):
        FREE.expand(query, ("grey",))


def test_presets_only_takes_presets_and_sources() -> None:
    assert parse_operations(ONLY.expand("preset=grey", None)) == parse_operations("ops=grayscale")
    assert expanded("preset=grey&source=x", ONLY) == [("ops", "grayscale"), ("source", "x")]


def test_presets_only_refuses_other_routes() -> None:
    ONLY.check_route("/pipeline", None)
    FREE.check_route("/resize", None)
    for presets, allowed in ((ONLY, None), (FREE, ("grey",))):
        for path in ("/resize", "/batch", "/info", "/pipeline/", "//pipeline", "/PIPELINE"):
            with pytest.raises(PresetsOnly):
                presets.check_route(path, allowed)


def test_a_key_may_ask_for_its_presets_only() -> None:
    assert FREE.expand("preset=grey", ("grey",))
    for query in ("preset=thumb", "preset=grey,thumb", "preset=", "preset=nothing"):
        with pytest.raises(PresetNotAllowed, match="may ask for grey"):
            FREE.expand(query, ("grey",))


@pytest.mark.parametrize(
    ("name", "query", "reason"),
    [
        pytest.param("thumb", "ops=resize:widht=9", "thumb: .*did you mean width", id="a-misspelt-parameter"),
        pytest.param("thumb", "ops=resise", "thumb: .*did you mean resize", id="an-unknown-operation"),
        pytest.param("thumb", "", "thumb: ", id="empty"),
        pytest.param("thumb", "preset=other", "thumb: ", id="another-preset"),
        pytest.param("thumb", "ops=flip&quality=500", "thumb: .*1 to 100", id="out-of-bounds"),
        pytest.param("a,b", "ops=flip", "the name 'a,b'", id="a-bad-name"),
    ],
)
def test_a_wrong_preset_is_refused_at_the_start(name: str, query: str, reason: str) -> None:
    with pytest.raises(BadPreset, match=reason):
        Presets({name: query})

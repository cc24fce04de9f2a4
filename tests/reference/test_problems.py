from __future__ import annotations

from imgsrv.errors import CODES, TooManyPixels
from imgsrv.reference.problems import NOT_ANSWERED, facts_schema, meaning, problems, problems_by_status

STATUSES = [400, 404, 405, 408, 413, 415, 422, 431, 500, 503, 504]


def test_every_error_is_either_an_answer_or_known_to_be_none() -> None:
    codes = {kind.code for kind in (*problems(), *NOT_ANSWERED)}

    assert codes == set(CODES)


def test_no_two_answers_share_a_code() -> None:
    codes = [kind.code for kind in problems()]

    assert len(codes) == len(set(codes))


def test_the_statuses_are_those_of_the_design() -> None:
    assert list(problems_by_status()) == STATUSES


def test_every_problem_says_when_it_is_met() -> None:
    assert all(meaning(kind).endswith(".") for kind in problems())


def test_the_facts_of_an_error_have_their_types() -> None:
    assert facts_schema(TooManyPixels) == {name: {"type": "integer"} for name in ("width", "height", "frames", "limit")}

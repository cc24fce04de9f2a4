from __future__ import annotations

from imgsrv.errors import CODES, ClientGone, ImgsrvError, OperatorError, RequestError, ServerError, TooManyPixels
from imgsrv.reference.problems import facts_schema, meaning, problems, problems_by_status

STATUSES = [400, 401, 403, 404, 405, 408, 413, 415, 422, 429, 431, 500, 502, 503, 504, 507]


def test_every_error_belongs_to_one_of_three_families() -> None:
    assert ImgsrvError.__subclasses__() == [RequestError, ServerError, OperatorError]


def test_a_request_ends_with_a_problem_or_client_gone_and_never_with_an_operator_error() -> None:
    assert {*(kind.code for kind in problems()), ClientGone.code} == set(CODES)
    assert not {kind.code for kind in OperatorError.__subclasses__()} & set(CODES)


def test_no_two_answers_share_a_code() -> None:
    codes = [kind.code for kind in problems()]

    assert len(codes) == len(set(codes))


def test_the_statuses_are_those_of_the_design() -> None:
    assert list(problems_by_status()) == STATUSES


def test_every_problem_has_a_meaning() -> None:
    assert all(meaning(kind).endswith(".") for kind in problems())


def test_the_facts_of_an_error_have_their_types() -> None:
    assert facts_schema(TooManyPixels) == {name: {"type": "integer"} for name in ("width", "height", "frames", "limit")}

"""Every error imgsrv raises on purpose: one class per thing a caller can do differently.

An error carries its facts as fields, builds its sentence from them (what came, what is allowed, what to
change) and hints at an HTTP status; only `web/` turns the hint into an answer.  `to_wire` and `from_wire`
are inverses, so that an error raised by an engine is the same error in the front that holds the client.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

MEGA = 1_000_000


@dataclass(eq=False)
class ImgsrvError(Exception):
    """Base of all; raised itself never."""

    code: ClassVar[str] = "internal_error"
    status_hint: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    @property
    def facts(self) -> dict[str, Any]:
        """The fields of this error, JSON-compatible."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def to_wire(self) -> dict[str, Any]:
        """The error as JSON-compatible data."""
        return {"code": self.code, "facts": self.facts}

    def __reduce__(self) -> tuple[type[ImgsrvError], tuple[Any, ...]]:
        # Exception's own pickling knows `args` only, which a dataclass leaves empty.
        return type(self), tuple(self.facts.values())


def from_wire(wire: dict[str, Any]) -> ImgsrvError:
    """The error that `to_wire` described."""
    return _BY_CODE[wire["code"]](**wire["facts"])


def joined(names: list[str] | tuple[str, ...]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _suggestion(suggestion: str | None) -> str:
    return f"; did you mean {suggestion}?" if suggestion else ""


# ---- 400: what the caller asked for -------------------------------------------------------------------


@dataclass(eq=False)
class BadRequest(ImgsrvError):
    """The request itself is wrong; the picture was not looked at."""

    code: ClassVar[str] = "bad_request"
    status_hint: ClassVar[int] = 400
    title: ClassVar[str] = "Bad request"


@dataclass(eq=False)
class UnknownParameter(BadRequest):
    """A parameter that the operation or the route does not take."""

    code: ClassVar[str] = "unknown_parameter"
    title: ClassVar[str] = "Unknown parameter"
    owner: str
    parameter: str
    allowed: list[str]
    suggestion: str | None = None

    def __str__(self) -> str:
        takes = f"it takes {joined(self.allowed)}" if self.allowed else "it takes no parameters"
        return f"{self.owner} has no parameter {self.parameter!r}; {takes}{_suggestion(self.suggestion)}"


@dataclass(eq=False)
class MissingParameter(BadRequest):
    """A parameter that must be given and was not."""

    code: ClassVar[str] = "missing_parameter"
    title: ClassVar[str] = "Missing parameter"
    owner: str
    parameter: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.owner} needs {self.parameter}: {self.allowed}"


@dataclass(eq=False)
class InvalidParameter(BadRequest):
    """A value of the wrong type or outside its bounds."""

    code: ClassVar[str] = "invalid_parameter"
    title: ClassVar[str] = "Invalid parameter"
    owner: str
    parameter: str
    value: str
    allowed: str
    suggestion: str | None = None

    def __str__(self) -> str:
        return (
            f"{self.parameter}={self.value} of {self.owner} is not allowed: it must be {self.allowed}"
            f"{_suggestion(self.suggestion)}"
        )


@dataclass(eq=False)
class RepeatedParameter(BadRequest):
    """The same parameter twice, so that one of them would be lost."""

    code: ClassVar[str] = "repeated_parameter"
    title: ClassVar[str] = "Repeated parameter"
    owner: str
    parameter: str

    def __str__(self) -> str:
        return f"{self.parameter} is given more than once to {self.owner}; give it once"


@dataclass(eq=False)
class UnusableParameters(BadRequest):
    """Parameters that are each right and cannot stand together."""

    code: ClassVar[str] = "unusable_parameters"
    title: ClassVar[str] = "Parameters that do not go together"
    owner: str
    reason: str

    def __str__(self) -> str:
        return f"{self.owner}: {self.reason}"


@dataclass(eq=False)
class BadPipeline(BadRequest):
    """A pipeline text that does not follow the grammar."""

    code: ClassVar[str] = "bad_pipeline"
    title: ClassVar[str] = "Bad pipeline"
    text: str
    reason: str

    def __str__(self) -> str:
        return (
            f"the pipeline {self.text!r} cannot be read: {self.reason}; write it like "
            "resize:width=800,height=600/sharpen:amount=0.8/grayscale"
        )


@dataclass(eq=False)
class BadMultipart(BadRequest):
    """A multipart body that is broken or has no picture in it."""

    code: ClassVar[str] = "bad_multipart"
    title: ClassVar[str] = "Bad multipart body"
    reason: str

    def __str__(self) -> str:
        return (
            f"the multipart/form-data body cannot be used: {self.reason}; "
            "send the picture as a part named 'file', or as the raw body"
        )


@dataclass(eq=False)
class EmptyBody(BadRequest):
    """A POST without a picture."""

    code: ClassVar[str] = "empty_body"
    title: ClassVar[str] = "Empty body"

    def __str__(self) -> str:
        return "the request has no body; POST the bytes of a picture, for example with curl --data-binary @photo.jpg"


@dataclass(eq=False)
class BadHttp(BadRequest):
    """Bytes on the connection that are no HTTP request."""

    code: ClassVar[str] = "bad_http"
    title: ClassVar[str] = "Not an HTTP request"
    reason: str

    def __str__(self) -> str:
        return f"the request is not valid HTTP/1.1: {self.reason}"


# ---- 404, 405: where the caller asked ----------------------------------------------------------------


@dataclass(eq=False)
class UnknownOperation(ImgsrvError):
    """An operation that does not exist."""

    code: ClassVar[str] = "unknown_operation"
    status_hint: ClassVar[int] = 404
    title: ClassVar[str] = "Unknown operation"
    name: str
    suggestion: str | None = None

    def __str__(self) -> str:
        return f"there is no operation {self.name!r}{_suggestion(self.suggestion) or ';'} see GET /operations"


@dataclass(eq=False)
class UnknownRoute(ImgsrvError):
    """A path that is neither an operation nor a page."""

    code: ClassVar[str] = "unknown_route"
    status_hint: ClassVar[int] = 404
    title: ClassVar[str] = "Unknown route"
    path: str
    suggestion: str | None = None

    def __str__(self) -> str:
        return (
            f"there is nothing at {self.path}{_suggestion(self.suggestion) or ';'} POST a picture to /resize?width=800, "
            "or see GET /operations"
        )


@dataclass(eq=False)
class WrongMethod(ImgsrvError):
    """A route asked with a method it does not answer."""

    code: ClassVar[str] = "wrong_method"
    status_hint: ClassVar[int] = 405
    title: ClassVar[str] = "Wrong method"
    method: str
    path: str
    allowed: list[str]

    def __str__(self) -> str:
        return f"{self.path} does not answer {self.method}; it answers {joined(self.allowed)}"


# ---- 408, 413, 431: how the request arrived ----------------------------------------------------------


@dataclass(eq=False)
class RequestTimeout(ImgsrvError):
    """Headers or body that did not arrive in time."""

    code: ClassVar[str] = "request_timeout"
    status_hint: ClassVar[int] = 408
    title: ClassVar[str] = "Request timeout"
    part: str
    limit: str
    setting: str

    def __str__(self) -> str:
        return f"the {self.part} did not arrive in time; the limit is {self.limit} ({self.setting})"


@dataclass(eq=False)
class BodyTooLarge(ImgsrvError):
    """A body over the limit, announced or streamed."""

    code: ClassVar[str] = "body_too_large"
    status_hint: ClassVar[int] = 413
    title: ClassVar[str] = "Body too large"
    limit: int
    size: int | None = None

    def __str__(self) -> str:
        came = f"a body of {self.size} bytes was announced" if self.size is not None else "the body went on"
        return f"{came}; the limit is {self.limit} bytes (--max-body)"


@dataclass(eq=False)
class HeadersTooLarge(ImgsrvError):
    """Request line and headers over the limit."""

    code: ClassVar[str] = "headers_too_large"
    status_hint: ClassVar[int] = 431
    title: ClassVar[str] = "Headers too large"
    limit: int

    def __str__(self) -> str:
        return f"the request line and headers are larger than {self.limit} bytes (--max-header)"


# ---- 415, 422: the picture ---------------------------------------------------------------------------


@dataclass(eq=False)
class UnsupportedFormat(ImgsrvError):
    """Bytes that are no picture this server reads."""

    code: ClassVar[str] = "unsupported_format"
    status_hint: ClassVar[int] = 415
    title: ClassVar[str] = "Unsupported format"
    found: str
    supported: list[str]

    def __str__(self) -> str:
        return f"the body is {self.found}; this server reads {joined(self.supported)}"


@dataclass(eq=False)
class BadPicture(ImgsrvError):
    """A recognised picture that cannot be processed."""

    code: ClassVar[str] = "bad_picture"
    status_hint: ClassVar[int] = 422
    title: ClassVar[str] = "Unusable picture"


@dataclass(eq=False)
class Undecodable(BadPicture):
    """A recognised format whose bytes are broken, truncated or of a kind that is not read."""

    code: ClassVar[str] = "undecodable"
    title: ClassVar[str] = "Broken picture"
    format: str
    reason: str

    def __str__(self) -> str:
        return (
            f"the {self.format.upper()} picture cannot be decoded: {self.reason}; "
            "check that the file is complete and opens elsewhere"
        )


@dataclass(eq=False)
class TooManyPixels(BadPicture):
    """More pixels than the limit, known from the header."""

    code: ClassVar[str] = "too_many_pixels"
    title: ClassVar[str] = "Too many pixels"
    width: int
    height: int
    frames: int
    limit: int

    def __str__(self) -> str:
        times = f"×{self.frames} frames" if self.frames > 1 else ""
        came = self.width * self.height * self.frames / MEGA
        return (
            f"{self.width}×{self.height}{times} is {came:.4g} megapixels; "
            f"the limit is {self.limit / MEGA:.4g} (--max-pixels)"
        )


@dataclass(eq=False)
class TooManyFrames(BadPicture):
    """An animation with more frames than the limit."""

    code: ClassVar[str] = "too_many_frames"
    title: ClassVar[str] = "Too many frames"
    limit: int

    def __str__(self) -> str:
        return f"the animation has more than {self.limit} frames (--max-frames)"


@dataclass(eq=False)
class ResultTooLarge(BadPicture):
    """An operation or an output format whose result would pass a limit."""

    code: ClassVar[str] = "result_too_large"
    title: ClassVar[str] = "Result too large"
    owner: str
    width: int
    height: int
    limit: str

    def __str__(self) -> str:
        return f"{self.owner} would make a picture of {self.width}×{self.height}; the limit is {self.limit}"


@dataclass(eq=False)
class OperationDoesNotFit(BadPicture):
    """An operation that this picture cannot take."""

    code: ClassVar[str] = "operation_does_not_fit"
    title: ClassVar[str] = "Operation does not fit the picture"
    operation: str
    reason: str

    def __str__(self) -> str:
        return f"{self.operation} cannot be applied: {self.reason}"


# ---- 500, 503, 504: the server -----------------------------------------------------------------------


@dataclass(eq=False)
class InternalError(ImgsrvError):
    """A fault of ours; the log has the details under the request id."""

    def __str__(self) -> str:
        return "the server failed on this request; its log has the details under the request id"


@dataclass(eq=False)
class WorkerLost(ImgsrvError):
    """The engine that worked on the job died."""

    code: ClassVar[str] = "worker_lost"
    title: ClassVar[str] = "Worker lost"

    def __str__(self) -> str:
        return "the worker that processed this picture died; it has been replaced, and the picture was not tried again"


@dataclass(eq=False)
class Overloaded(ImgsrvError):
    """No room for another job."""

    code: ClassVar[str] = "overloaded"
    status_hint: ClassVar[int] = 503
    title: ClassVar[str] = "Overloaded"
    reason: str
    retry_after_s: int

    def __str__(self) -> str:
        return f"{self.reason}; try again in {self.retry_after_s} s"


@dataclass(eq=False)
class JobTimeout(ImgsrvError):
    """A job that was not done by its deadline."""

    code: ClassVar[str] = "job_timeout"
    status_hint: ClassVar[int] = 504
    title: ClassVar[str] = "Job timeout"
    limit_s: float

    def __str__(self) -> str:
        return f"the picture was not done within {self.limit_s:g} s (--job-timeout-s)"


# ---- start-up and command line -----------------------------------------------------------------------


@dataclass(eq=False)
class BadSetting(ImgsrvError):
    """A setting that is unknown or has a bad value."""

    code: ClassVar[str] = "bad_setting"
    title: ClassVar[str] = "Bad setting"
    source: str
    setting: str
    reason: str

    def __str__(self) -> str:
        return f"{self.setting} from {self.source}: {self.reason}"


@dataclass(eq=False)
class CannotListen(ImgsrvError):
    """An address that cannot be listened on."""

    code: ClassVar[str] = "cannot_listen"
    title: ClassVar[str] = "Cannot listen"
    address: str
    reason: str

    def __str__(self) -> str:
        return f"cannot listen on {self.address}: {self.reason}"


@dataclass(eq=False)
class BadArgument(ImgsrvError):
    """A command-line argument that cannot be used."""

    code: ClassVar[str] = "bad_argument"
    title: ClassVar[str] = "Bad argument"
    reason: str

    def __str__(self) -> str:
        return self.reason


def _all_below(parent: type[ImgsrvError]) -> list[type[ImgsrvError]]:
    return [parent, *(found for child in parent.__subclasses__() for found in _all_below(child))]


_BY_CODE = {
    kind.code: kind for kind in reversed(_all_below(ImgsrvError)) if kind not in (ImgsrvError, BadRequest, BadPicture)
}

"""Every error that imgsrv raises on purpose: one class for each thing that a caller can do differently.

There are three families.  The client can mend a RequestError; a ServerError is a fault or shortage of the server.  HTTP
answers carry errors of these two families.  An OperatorError comes from commands and from the start of the server.

An error has its facts as fields and builds its message from them (what came, what is allowed, what to change).  It
suggests an HTTP status; only `web/` makes an answer of it.  `to_wire` and `from_wire` are inverses: an error
that an engine raises is the same error in the front that holds the client.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, dataclass_transform

MEGA = 1_000_000


@dataclass_transform(eq_default=False)
class ImgsrvError(Exception):
    """Base of all families; never raised itself.

    Each child is written like a dataclass: what it annotates are its fields.  `dataclass` itself would take 20 ms for
    all of them, at the start of every command.  Unless it sets its own, it has its class name as code and title, in
    other spellings, and the status of its parent.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    status_hint: ClassVar[int] = 500
    output: ClassVar[str | None] = None
    fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        words = re.sub(r"(?<!^)(?=[A-Z])", " ", cls.__name__)
        cls.code = vars(cls).get("code", words.replace(" ", "_").lower())
        cls.title = vars(cls).get("title", words.capitalize())
        cls.fields = tuple(dict.fromkeys((*cls.fields, *cls.__annotations__)))

    def __init__(self, *given: Any, **named: Any) -> None:
        facts = {**dict(zip(self.fields, given, strict=False)), **named}
        missing = [name for name in self.fields if name not in facts and not hasattr(type(self), name)]
        if missing or len(facts) < len(given) + len(named) or not facts.keys() <= set(self.fields):
            raise TypeError(f"{type(self).__name__} takes {self.fields}, and not {given} {named}")
        vars(self).update(facts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.facts.items())})"

    @property
    def facts(self) -> dict[str, Any]:
        """The fields of this error, JSON-compatible."""
        return {name: getattr(self, name) for name in self.fields}

    def to_wire(self) -> dict[str, Any]:
        """The error as JSON-compatible data."""
        return {"code": self.code, "facts": self.facts, "output": self.output}

    def of_output(self, name: str) -> None:
        """Mark the error as that of one output of a batch."""
        vars(self)["output"] = name

    @property
    def detail(self) -> str:
        """The message, preceded by the name of the output if it concerns only one."""
        return f"output {self.output!r}: {self}" if self.output else str(self)

    def __reduce__(self) -> tuple[type[ImgsrvError], tuple[Any, ...]]:
        # Exception pickles only `args`, which lacks what was given by name.
        return type(self), tuple(self.facts.values())


def from_wire(wire: dict[str, Any]) -> ImgsrvError:
    """The error from the data of `to_wire`."""
    error = _BY_CODE[wire["code"]](**wire["facts"])
    if wire["output"]:
        error.of_output(wire["output"])
    return error


def joined(names: list[str] | tuple[str, ...]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _suggestion(suggestion: str | None) -> str:
    return f"; did you mean {suggestion}?" if suggestion else ""


class RequestError(ImgsrvError):
    """The request cannot be fulfilled; the client can change it.  Never raised itself."""

    status_hint = 400


class ServerError(ImgsrvError):
    """The server fails or has no room now; the request may be right.  Never raised itself."""


class OperatorError(ImgsrvError):
    """A command, a setting or the start of the server is wrong or fails.  Never raised itself, nor in an answer."""


# ---- 400: what the caller asked for -------------------------------------------------------------------


class BadRequest(RequestError):
    """The request itself is wrong; the picture was not read."""

    status_hint = 400


class UnknownParameter(BadRequest):
    """A parameter that the operation or the route does not take."""

    owner: str
    parameter: str
    allowed: list[str]
    suggestion: str | None = None
    advice: str = ""

    def __str__(self) -> str:
        takes = f"it takes {joined(self.allowed)}" if self.allowed else "it takes no parameters"
        hint = f"; {self.advice};" if self.advice else _suggestion(self.suggestion) or ";"
        return f"{self.owner} has no parameter {self.parameter!r}{hint} {takes}"


class MisplacedParameter(BadRequest):
    """A parameter of the output is in a step of a pipeline, or a parameter of a step is outside it."""

    owner: str
    parameter: str
    place: str

    def __str__(self) -> str:
        return f"{self.parameter} is not a parameter of {self.owner}; write it {self.place}"


class MissingParameter(BadRequest):
    """A required parameter is missing."""

    owner: str
    parameter: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.owner} needs {self.parameter}: {self.allowed}"


class MissingPart(BadRequest):
    """An operation needs a second part of the upload, which is missing."""

    operation: str
    part: str
    unused: str = ""

    def __str__(self) -> str:
        if self.unused:
            return (
                f"{self.operation} needs a part named {self.part!r}, and the upload has {self.unused!r}: give it that "
                f"name, or write part={self.unused}"
            )
        return (
            f"{self.operation} needs a part named {self.part!r} beside the part 'file': send both as "
            f"multipart/form-data, as in curl -F file=@photo.jpg -F {self.part}=@…, or name it with source.{self.part}="
        )


class UnusedPart(BadRequest):
    """A part of the upload that no operation uses."""

    part: str

    def __str__(self) -> str:
        return (
            f"no operation uses the part {self.part!r} of the upload; name the picture's part 'file', put parameters "
            "into the URL, and name a further part as the `part` of the operation that uses it"
        )


class InvalidParameter(BadRequest):
    """A value of the wrong type or outside its bounds."""

    owner: str
    parameter: str
    value: str
    allowed: str
    suggestion: str | None = None
    advice: str = ""

    def __str__(self) -> str:
        return (
            f"{self.parameter}={self.value} of {self.owner} is not allowed: it must be {self.allowed}"
            f"{f'; {self.advice}' if self.advice else _suggestion(self.suggestion)}"
        )


class RepeatedParameter(BadRequest):
    """A parameter is given twice, so one of its values would be lost."""

    owner: str
    parameter: str

    def __str__(self) -> str:
        how = ", with commas between the names, as in preset=thumb,grey" if self.parameter == "preset" else ""
        return f"{self.parameter} is given more than once to {self.owner}; give it once{how}"


class UnusableParameters(BadRequest):
    """Parameters that are valid alone but not together."""

    title = "Parameters that do not go together"
    owner: str
    reason: str

    def __str__(self) -> str:
        return f"{self.owner}: {self.reason}"


class BadPipeline(BadRequest):
    """A pipeline text that does not follow the grammar."""

    text: str
    reason: str

    def __str__(self) -> str:
        return (
            f"the pipeline {self.text!r} cannot be read: {self.reason}; write it like "
            "resize:width=800,height=600/sharpen:amount=0.8/grayscale"
        )


class BadMultipart(BadRequest):
    """A multipart body that is broken or contains no picture."""

    title = "Bad multipart body"
    reason: str

    def __str__(self) -> str:
        return (
            f"the multipart/form-data body cannot be used: {self.reason}; "
            "send the picture as a part named 'file', or as the raw body"
        )


class BadOutputs(BadRequest):
    """A list of outputs that cannot be read, is too long, or has names that are not safe for files."""

    reason: str

    def __str__(self) -> str:
        return (
            f"the outputs of the batch cannot be used: {self.reason}; send a part named 'outputs' such as "
            '[{"name": "small", "ops": "resize:width=320", "format": "webp"}], or widths=320,640'
        )


class EmptyBody(BadRequest):
    """A POST without a picture."""

    def __str__(self) -> str:
        return "the request has no body; POST the bytes of a picture, for example with curl --data-binary @photo.jpg"


class LineEndsLost(BadRequest):
    """The body is not a picture any more, because curl -d has removed its line ends."""

    def __str__(self) -> str:
        return "the body is a file without its line ends, as curl -d sends it; use curl --data-binary @photo.jpg"


class BadSource(BadRequest):
    """A text that names no place of a picture.  source: its beginning."""

    source: str
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.source} is no source: {self.reason}; write it like file:photos/cat.jpg, "
            "https://example.com/cat.jpg, s3://bucket/cat.jpg or upload:ID, percent-encoded"
        )


class BadHttp(BadRequest):
    """Bytes on the connection that are not an HTTP request."""

    title = "Not an HTTP request"
    reason: str

    def __str__(self) -> str:
        return f"the request is not valid HTTP/1.1: {self.reason}"


class UnknownPreset(BadRequest):
    """A preset that the server does not have."""

    preset: str
    known: list[str]
    suggestion: str | None = None

    def __str__(self) -> str:
        known = f"it has {joined(self.known)}" if self.known else "it has none"
        return f"this server has no preset {self.preset!r}{_suggestion(self.suggestion) or ';'} {known}"


# ---- 401 and 403: who may ask --------------------------------------------------------------------------


class Unauthorized(RequestError):
    """The request does not show who asks.  Never raised itself."""

    status_hint = 401


class MissingKey(Unauthorized):
    """The server wants an API key, and the request has none."""

    takes_signatures: bool

    def __str__(self) -> str:
        also = ", or a signed URL" if self.takes_signatures else ""
        return f"this server wants an API key: send the header `Authorization: Bearer KEY` or `X-API-Key: KEY`{also}"


class UnknownKey(Unauthorized):
    """The API key is none of this server's."""

    def __str__(self) -> str:
        return (
            "the API key is none of this server's; it may have been removed, it was not copied as a whole, or the "
            "server was not reloaded since it was added"
        )


class Forbidden(RequestError):
    """Who asks is known, and may not ask for this.  Never raised itself."""

    status_hint = 403


class MissingSignature(Forbidden):
    """The server wants a signed URL."""

    def __str__(self) -> str:
        return "this server wants a signed URL, whose last parameter is `signature`; `imgsrv sign` makes one"


class BadSignature(Forbidden):
    """The signature of the URL is not the right one."""

    unknown_signer: str | None

    def __str__(self) -> str:
        if self.unknown_signer is not None:
            return f"the URL is signed with the secret {self.unknown_signer!r}, which this server does not have"
        return (
            "the signature does not fit the URL: it covers the method, the path and the query as they are sent, so a "
            "proxy must not change them"
        )


class UrlExpired(Forbidden):
    """The signature of the URL was right, and its time is over."""

    title = "URL expired"
    expires: int
    now: int

    def __str__(self) -> str:
        return f"the URL expired {self.now - self.expires} s ago (expires={self.expires}); ask for a new one"


class PresetsOnly(Forbidden):
    """Only presets may be asked for, by this request or at all."""

    asked: str

    def __str__(self) -> str:
        return f"only presets may be asked for, as in /pipeline?preset=NAME, and no {self.asked}"


class PresetNotAllowed(Forbidden):
    """The API key may not ask for this preset."""

    preset: str
    allowed: list[str]

    def __str__(self) -> str:
        names = joined(self.allowed) if self.allowed else "none"
        return f"this API key may not ask for the preset {self.preset}; it may ask for {names}"


class OperatorsOnly(Forbidden):
    """The route belongs to the operator of the server.  is_local: it is also answered to programs of this machine."""

    path: str
    is_local: bool = False

    def __str__(self) -> str:
        if self.is_local:
            return (
                f"{self.path} is answered to this machine alone, and not through a proxy: open it as localhost, or "
                "start with --keys-file and a key that was made with `imgsrv keys add --operator`, or with "
                "--metrics-listen"
            )
        return f"{self.path} belongs to the operator: it wants a key that was made with `imgsrv keys add --operator`"


# ---- 403, 404, 422: the source that the caller named --------------------------------------------------


class SourceNotAllowed(RequestError):
    """The server does not fetch from this place.  setting: the one that allows it."""

    status_hint = 403
    source: str
    reason: str
    setting: str

    def __str__(self) -> str:
        return f"{self.source} is not allowed: {self.reason}; the operator allows sources with {self.setting}"


class SourceForbidden(RequestError):
    """The place of the source refuses to give the picture to this server."""

    status_hint = 403
    source: str

    def __str__(self) -> str:
        return f"{self.source} may not be read by this server; let it read the picture, or name another"


class SourceNotFound(RequestError):
    """Nothing is at the place that the source names."""

    status_hint = 404
    source: str

    def __str__(self) -> str:
        if self.source.startswith("upload:"):
            return (
                f"{self.source} does not exist: it has ended or was removed, or another API key has sent it;"
                " send the picture again with POST /uploads"
            )
        return f"{self.source} does not exist; check its name, upper and lower case included"


class SourceTooLarge(RequestError):
    """The picture at the source has more bytes than a body may have.  size: None if it is not known."""

    status_hint = 422
    source: str
    limit: int
    size: int | None = None

    def __str__(self) -> str:
        came = "is larger than the limit" if self.size is None else f"has {self.size} bytes"
        return f"{self.source} {came}; the limit is {self.limit} bytes for all pictures of a request (--max-body)"


# ---- 404, 405: where the caller asked ----------------------------------------------------------------


class UnknownOperation(RequestError):
    """An operation that does not exist."""

    status_hint = 404
    name: str
    suggestion: str | None = None
    advice: str = ""

    def __str__(self) -> str:
        hint = f"; {self.advice};" if self.advice else _suggestion(self.suggestion) or ";"
        return f"there is no operation {self.name!r}{hint} see GET /operations or `imgsrv operations`"


class UnknownRoute(RequestError):
    """A path that is neither an operation nor a page."""

    status_hint = 404
    path: str
    suggestion: str | None = None
    advice: str = ""

    def __str__(self) -> str:
        if self.advice:
            return f"there is no route {self.path}; {self.advice}"
        return (
            f"there is no route {self.path}{_suggestion(self.suggestion) or ';'} "
            "POST a picture to /resize?width=800, or see GET /operations"
        )


class WrongMethod(RequestError):
    """A route was called with a method that it does not answer."""

    status_hint = 405
    method: str
    path: str
    allowed: list[str]

    def __str__(self) -> str:
        how = "POST a picture to it, for example with curl --data-binary @photo.jpg"
        where = "POST a picture to a route such as /resize?width=800"
        hint = how if "POST" in self.allowed else where
        without = " without source=" if self.method in ("GET", "HEAD") and "POST" in self.allowed else ""
        return f"{self.path} does not answer {self.method}{without}; it answers {joined(self.allowed)}; {hint}"


# ---- 429: how often ------------------------------------------------------------------------------------


class TooManyRequests(RequestError):
    """A limit is reached; the same request is served later.  Never raised itself.

    policy: the name of the limit in the header `RateLimit-Policy`.  limit: as the setting has it.
    """

    status_hint = 429
    policy: str
    limit: str
    retry_after_s: int


class RateLimited(TooManyRequests):
    """The client or the API key has sent more requests than its limit allows."""

    def __str__(self) -> str:
        return f"the limit {self.policy!r} of {self.limit} is reached; ask again in {self.retry_after_s} s"


class WorkLimited(TooManyRequests):
    """The client or the API key has asked for more work than its limit allows."""

    needed_s: float

    def __str__(self) -> str:
        return (
            f"this picture would take about {self.needed_s:.2f} s of an engine, and the limit {self.policy!r} of "
            f"{self.limit} such seconds is reached; ask again in {self.retry_after_s} s"
        )


# ---- 408, 413, 431: how the request arrived ----------------------------------------------------------


class RequestTimeout(RequestError):
    """Headers or body that did not arrive in time."""

    status_hint = 408
    part: str
    limit: str
    setting: str

    def __str__(self) -> str:
        return f"the {self.part} did not arrive in time; the limit is {self.limit} ({self.setting})"


class BodyTooLarge(RequestError):
    """A body larger than the limit, by its announced length or by the bytes received."""

    status_hint = 413
    limit: int
    size: int | None = None

    def __str__(self) -> str:
        came = f"a body of {self.size} bytes was announced" if self.size is not None else "the body went on"
        return f"{came}; the limit is {self.limit} bytes (--max-body)"


class HeadersTooLarge(RequestError):
    """The request line and headers are larger than the limit."""

    status_hint = 431
    limit: int

    def __str__(self) -> str:
        return f"the request line and headers are larger than {self.limit} bytes (--max-header)"


# ---- 415, 422: the picture ---------------------------------------------------------------------------


class UnsupportedFormat(RequestError):
    """Bytes that are not a picture in a format that this server reads."""

    status_hint = 415
    found: str
    supported: list[str]

    def __str__(self) -> str:
        return f"the body is {self.found}; this server reads {joined(self.supported)}"


class UnsupportedEncoding(RequestError):
    """A body in a content coding such as gzip; none is taken."""

    status_hint = 415
    encoding: str

    def __str__(self) -> str:
        return (
            f"the body is packed, as its header Content-Encoding: {self.encoding} says, and this server unpacks "
            "nothing; send the bytes of the picture themselves, which are compressed already, without that header"
        )


class BadPicture(RequestError):
    """A recognised picture that cannot be processed."""

    status_hint = 422
    title = "Unusable picture"


class Undecodable(BadPicture):
    """A recognised format, but the bytes are broken, truncated, or of a kind that is not supported."""

    title = "Broken picture"
    format: str
    reason: str
    advice: str = "check that the file is complete and opens elsewhere"

    def __str__(self) -> str:
        advice = f"; {self.advice}" if self.advice else ""
        return f"the {self.format.upper()} picture cannot be decoded: {self.reason}{advice}"


class BadLookUpTable(BadPicture):
    """A part of the upload that should be a 3D look-up table, but cannot be read as one."""

    title = "Broken look-up table"
    reason: str

    def __str__(self) -> str:
        return f"the look-up table cannot be read: {self.reason}; send a .cube file with LUT_3D_SIZE"


class TooManyPixels(BadPicture):
    """More pixels than the limit, known from the header."""

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


class TooManyFrames(BadPicture):
    """An animation with more frames than the limit, or a frame beyond it.  asked: that frame or page."""

    limit: int
    asked: str | None = None

    def __str__(self) -> str:
        if self.asked is None:
            return f"the animation has more than {self.limit} frames (--max-frames)"
        return (
            f"{self.asked} is beyond the limit: the picture has more than {self.limit} frames or pages, and the first "
            f"{self.limit} can be asked for (--max-frames); frames count from 0, pages from 1"
        )


class ResultTooLarge(BadPicture):
    """The result of an operation, or of an output format, would exceed a limit."""

    owner: str
    width: int
    height: int
    limit: str

    def __str__(self) -> str:
        return f"{self.owner} would make a picture of {self.width}×{self.height}; the limit is {self.limit}"


class JobTooDear(BadPicture):
    """A job that would keep an engine busy for too long, by its estimate before it is queued.

    seconds, limit_s: the estimate and the limit.  parts: the name and the seconds of each part, in their order.
    """

    title = "Job too dear"
    seconds: float
    limit_s: float
    parts: list[list[Any]]

    def __str__(self) -> str:
        spelled = " + ".join(f"{name} {seconds:.1f} s" for name, seconds in self.parts)
        dearest = max(self.parts, key=lambda part: float(part[1]), default=["it", 0.0])[0]
        return (
            f"the job would take about {self.seconds:.1f} s of an engine ({spelled}) and may take {self.limit_s:g} s "
            f"(--max-job-cost-s); {dearest} takes most: make the picture smaller before it, or ask for less of it"
        )


class JobTooLarge(BadPicture):
    """A job that would need too much memory, by its estimate before it is queued.

    needed, limit: bytes.  part: the part of the job that needs most.
    """

    title = "Job too large"
    needed: int
    limit: int
    part: str

    def __str__(self) -> str:
        return (
            f"the job would need about {self.needed / MEGA:.0f} MB of memory for {self.part} and may need "
            f"{self.limit / MEGA:.0f} MB (--max-job-memory, and --max-memory less what the workers take); send a "
            "smaller picture, or choose another format"
        )


class TooManyBytes(BadPicture):
    """A result that cannot be made as small as `max_bytes` asks."""

    owner: str
    smallest: int
    limit: int

    def __str__(self) -> str:
        return (
            f"the smallest {self.owner} of this picture has {self.smallest} bytes and max_bytes={self.limit} allows "
            "less; allow more, resize it first, or choose another format"
        )


class NoSuchFrame(BadPicture):
    """A frame or page that the picture does not have."""

    asked: str
    frames: int

    def __str__(self) -> str:
        has = "one frame only" if self.frames == 1 else f"{self.frames} frames or pages"
        return f"{self.asked} does not exist: the picture has {has}; frames count from 0, pages from 1"


class NoFaceFound(BadPicture):
    """A picture without a face that was found, where one must be covered."""

    operation: str

    def __str__(self) -> str:
        return (
            f"{self.operation} has found no face, and required=true wants one: look at the picture, name boxes if "
            "there is one, or leave required out"
        )


class OperationDoesNotFit(BadPicture):
    """An operation that cannot be applied to this picture."""

    title = "Operation does not fit the picture"
    operation: str
    reason: str

    def __str__(self) -> str:
        return f"{self.operation} cannot be applied: {self.reason}"


# ---- 499: the client has gone ------------------------------------------------------------------------


class UploadsFull(RequestError):
    """The uploads of a client have reached their limits.  count, size: with the new one, in files and bytes."""

    status_hint = 507
    count: int
    max_count: int
    size: int
    max_size: int

    def __str__(self) -> str:
        return (
            f"with this picture your uploads would be {self.count} files of {self.size} bytes; {self.max_count} "
            f"(--uploads-max-count) of {self.max_size} bytes (--uploads-max-size) are allowed; delete one, or wait "
            "until one expires"
        )


class ClientGone(RequestError):
    """The client left before its answer.  Only logs and metrics show it; the status 499 is that of nginx."""

    status_hint = 499

    def __str__(self) -> str:
        return "the client closed the connection before its answer"


# ---- 500, 503, 504: the server -----------------------------------------------------------------------


class InternalError(ServerError):
    """A fault of the server; its log has the details under the request id."""

    def __str__(self) -> str:
        return "the server failed on this request; its log has the details under the request id"


class WorkerLost(ServerError):
    """The engine that worked on the job died."""

    def __str__(self) -> str:
        return "the worker that processed this picture died; it has been replaced, and the picture was not tried again"


class CodecLost(ServerError):
    """The process that a codec runs in died during the job."""

    format: str
    reason: str

    def __str__(self) -> str:
        return f"the process for {self.format.upper()} pictures died ({self.reason}); the picture is not tried again"


class JobKilled(ServerError):
    """An operator ended the job.  It is not a 503, because a proxy would send the same picture to the next server."""

    def __str__(self) -> str:
        return "the operator of the server ended the job on this picture (imgsrv kill-job); it was not tried again"


class Unavailable(ServerError):
    """The server has no room for the request now."""

    status_hint = 503
    reason: str
    retry_after_s: int

    def __str__(self) -> str:
        return f"{self.reason}; try again in {self.retry_after_s} s"


class Overloaded(Unavailable):
    """No room for another job."""


class LimitsUnavailable(Unavailable):
    """The store of the limits does not answer, and the server is told to serve nobody without it."""


class OutOfResources(Unavailable):
    """No memory or no descriptor is left for the request; the log reports it too."""


class CannotKeepUploads(Unavailable):
    """The folder or the store of the uploads takes or removes none now; the log says why."""


class UploadsUnavailable(Unavailable):
    """The store of the uploads gives none now; the log says why."""


class UploadStoreFull(Unavailable):
    """The store of the uploads of several machines is full, by its own limits."""

    status_hint = 507


class OutOfMemoryBudget(Unavailable):
    """No room in the budget of memory for the request: bodies, answers not yet sent, and jobs at work fill it."""


class SourceFailed(ServerError):
    """The place of the source cannot be reached, or what it answers cannot be used."""

    status_hint = 502
    source: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source} cannot be fetched: {self.reason}; try again later, or name another source"


class SourceTimeout(ServerError):
    """The source did not come in time."""

    status_hint = 504
    source: str
    limit: str
    setting: str

    def __str__(self) -> str:
        return f"{self.source} did not come in time; the limit is {self.limit} ({self.setting})"


class JobTimeout(ServerError):
    """A job that did not finish by its deadline."""

    status_hint = 504
    limit_s: float

    def __str__(self) -> str:
        return (
            f"the picture was not finished within {self.limit_s:g} s; ask for a smaller result, less effort or a "
            "quicker format, or let jobs take longer (--job-timeout-s)"
        )


# ---- start-up and command line -----------------------------------------------------------------------


class BadSetting(OperatorError):
    """A setting that is unknown or has a bad value.

    given: the setting as the user wrote it: `--port=x`, `IMGSRV_PORT=x` or a line of a file.
    """

    given: str
    reason: str

    def __str__(self) -> str:
        return f"{self.given}: {self.reason}"


class CannotListen(OperatorError):
    """The server cannot listen on an address.  is_taken: another process listens on it."""

    address: str
    reason: str
    is_taken: bool = False

    def __str__(self) -> str:
        return f"cannot listen on {self.address}: {self.reason}"


class CannotWriteLog(OperatorError):
    """A log file that cannot be opened when the server starts."""

    file: str
    reason: str

    def __str__(self) -> str:
        return f"cannot write the log file {self.file}: {self.reason} (--log-file)"


class HookFailed(OperatorError):
    """A hook of the operator cannot be loaded, has raised an error, or took too long."""

    setting: str
    hook: str
    reason: str

    def __str__(self) -> str:
        return f"{self.setting} {self.hook}: {self.reason}"


class BadRuntimeFolder(OperatorError):
    """A folder that cannot contain a control socket, or that another user can change."""

    folder: str
    reason: str

    def __str__(self) -> str:
        return f"the runtime folder {self.folder} cannot be used: {self.reason}; choose another with --runtime-dir"


class NameTaken(OperatorError):
    """Another instance has the name."""

    name: str
    folder: str

    def __str__(self) -> str:
        return (
            f"an instance named {self.name!r} runs already (in {self.folder}); "
            f"stop it with `imgsrv stop --name {self.name}`, or choose another --name"
        )


class NoSuchInstance(OperatorError):
    """A command for an instance that is not running."""

    name: str
    folder: str
    running: list[str]

    def __str__(self) -> str:
        others = f"choose with --name: {joined(self.running)}" if self.running else "start one with `imgsrv start`"
        return f"no instance named {self.name!r} runs in {self.folder}; {others}"


class CommandFailed(OperatorError):
    """A running instance has refused a command, or could not do what it asked for."""

    reason: str

    def __str__(self) -> str:
        return self.reason


class RunStopped(OperatorError):
    """Bulk work that cannot go on, because every further picture would fail for the same reason."""

    reason: str

    def __str__(self) -> str:
        return f"stopped, as no further picture could be written: {self.reason}"


class NoWorkerCanBoot(OperatorError):
    """No slot of the pool can start a worker; all have been given up."""

    title = "No worker can start"
    reason: str

    def __str__(self) -> str:
        return f"no worker can start: {self.reason}"


class BadArgument(OperatorError):
    """A command-line argument that cannot be used."""

    reason: str

    def __str__(self) -> str:
        return self.reason


class LoadFailed(OperatorError):
    """A load test received something other than pictures, where it allows only pictures."""

    faults: int
    refused: int
    first: str

    def __str__(self) -> str:
        first = f", first: {self.first}" if self.first else ""
        return f"the load got {self.faults} faults and {self.refused} refusals{first}"


def _leaves(parent: type[ImgsrvError]) -> list[type[ImgsrvError]]:
    """The classes that are raised, which are those without children, in the order of their definition."""
    children = parent.__subclasses__()
    return [leaf for child in children for leaf in _leaves(child)] if children else [parent]


ANSWERS = (*_leaves(RequestError), *_leaves(ServerError))
"""Every error that a request can end with."""

CODES = tuple(sorted(kind.code for kind in ANSWERS))
"""The `code` of each error in ANSWERS."""

_BY_CODE = {kind.code: kind for kind in ANSWERS}

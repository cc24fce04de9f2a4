"""What is known of one request: begun when the app starts on it, read when its line in the log is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from falcon.asgi import Request

from imgsrv.observe.fields import CLASSES
from imgsrv.web.access.stores.store import Charge
from imgsrv.web.http.body import Body
from imgsrv.web.http.proxy_headers import Client

KEY = "imgsrv.request"
"""Where the scope of a request holds its state."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The estimate of a job: seconds, most bytes while it is done, and bytes of its result.

    is_dear: it goes to the queue of dear jobs.
    """

    seconds: float
    memory: int
    result: int
    is_dear: bool

    @property
    def kind(self) -> str:
        """One of CLASSES of the scoreboard."""
        return CLASSES[self.is_dear]


@dataclass(slots=True)
class RequestState:
    """The state of one request.

    started, received: when the app started on it, and when its whole body was here, in monotonic seconds.
    code: of the error that is the answer.  stages: the seconds of each stage of a picture, by the stage's name.
    prediction: of the cost of its job.  on_end: called when the answer is written.
    cache: hit, miss, wait or bypass, where results are kept.
    key, signer: the names of the API key, and of the secret that signed the URL.
    expires: Unix time at which the signed URL ends.  headers: further ones of the answer.
    work: the allowances from which the work is taken, and charged_s the seconds that were taken from them.
    client: who asks, as jobs are shared out; see `client_of`.  when_sent: calls back when the client has all that was
    written, or is gone.  formats: of the pictures in the answer.  fault: what the request failed with on
    the short way; see `plain/way.py`.
    parts: of the body, where it was received before its picture was asked for.
    is_fixed: the query is all that may be asked for; a form adds nothing.
    is_stream: the answer goes on until the client leaves, so its time says nothing.
    peer: the other end of the connection, which may be a proxy; has_proxy: it is one that is trusted.
    """

    request_id: str
    body: Body
    started: float
    when_sent: Callable[[Callable[[], None]], None] = lambda callback: callback()
    client: str = ""
    received: float | None = None
    code: str | None = None
    stages: Mapping[str, float] = field(default_factory=dict)
    prediction: Prediction | None = None
    cache: str | None = None
    on_end: Callable[[], None] = lambda: None
    key: str | None = None
    signer: str | None = None
    expires: int | None = None
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    work: Sequence[Charge] = ()
    charged_s: float = 0.0
    formats: Sequence[str] = ()
    fault: Exception | None = None
    is_stream: bool = False
    parts: Mapping[str, tuple[int, int]] | None = None
    is_fixed: bool = False
    peer: Client = None
    has_proxy: bool = False

    @property
    def stages_ms(self) -> dict[str, float]:
        """The stages in milliseconds, as the log has them."""
        return {f"{name}_ms": round(seconds * 1000, 1) for name, seconds in self.stages.items()}


def state_of(req: Request) -> RequestState:
    """The state of the request that Falcon passes to a route."""
    return state_in(req.scope)


def state_in(scope: Mapping[str, Any]) -> RequestState:
    """The state of the request with that ASGI scope."""
    state: RequestState = scope[KEY]
    return state

"""How obstore opens the buckets of S3, Google Cloud Storage and Azure, and what its errors mean.

Endpoint and credentials come from where the users of these services know them: the environment, or the machine.
obstore is an extra, and is imported when the first bucket is opened.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any


def open_bucket(url: str, *, answer_s: float, connect_s: float, retries: int, retry_s: float) -> Any:
    """The store of obstore for a URL such as s3://bucket or s3://bucket/prefix.  It asks nothing yet.

    answer_s, connect_s: longest time of a request and of its connection.  retries: how often a request that fails by
    chance is sent again, within retry_s.
    """
    from obstore.store import from_url  # noqa: PLC0415  an extra, loaded where it is used

    return from_url(
        url,
        # Of an endpoint that the user has named with http: it would otherwise be refused.
        client_options={
            "allow_http": True,
            "timeout": timedelta(seconds=answer_s),
            "connect_timeout": timedelta(seconds=connect_s),
        },
        retry_config={"max_retries": retries, "retry_timeout": timedelta(seconds=retry_s)},
    )


def says_missing(error: Exception) -> bool:
    """Whether there is no such object.  obstore raises classes of its own and of Python."""
    return isinstance(error, FileNotFoundError) or type(error).__name__ == "NotFoundError"


def says_refused(error: Exception) -> bool:
    """Whether the credentials do not suffice."""
    return isinstance(error, PermissionError) or type(error).__name__ in (
        "PermissionDeniedError",
        "UnauthenticatedError",
    )

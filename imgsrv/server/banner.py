"""The banner of a server that is ready: its address, its limits and three commands to try."""

from __future__ import annotations

import contextlib
import os

from pydantic import ByteSize

from imgsrv import __version__
from imgsrv.observe.log.unblocked import Writer
from imgsrv.pool.events import Events
from imgsrv.pool.listen.base import Listener
from imgsrv.pool.listen.systemd import SystemdListener
from imgsrv.settings import Settings
from imgsrv.web.access.rules import listens_beyond_loopback

STANDARD_OUTPUT = 1


def warn_if_open(settings: Settings, listener: Listener, events: Events) -> None:
    """Log once that whoever reaches the address may ask for anything, if other machines can reach it."""
    is_given = isinstance(listener, SystemdListener) and listener.port
    host = listener.name.rpartition(":")[0] if is_given else settings.host
    has_nothing = not (settings.keys_file or settings.secrets_file or settings.presets_only)
    if has_nothing and listens_beyond_loopback(host):
        events.warning("anybody_may_ask", host=host, closed_by="keys_file, secrets_file or presets_only")


def announce(settings: Settings, listener: Listener, workers: int, events: Events) -> None:
    """Log the event `serving`; on a terminal, print the banner too, except with --log-format json.

    What collects logs gets the one line of the event.
    """
    events.info("serving", url=listener.url, port=listener.port, workers=workers, pid=os.getpid())
    if settings.log_format == "json" or not os.isatty(STANDARD_OUTPUT):
        return
    # Over a Unix socket curl accepts any host.
    url = listener.url if listener.port else "http://localhost"
    curl = "curl" if listener.port else f"curl --unix-socket {listener.url.removeprefix('unix:')}"
    body = ByteSize(settings.max_body).human_readable(decimal=True)
    # The server serves whether or not anybody reads this.
    with contextlib.suppress(OSError):
        Writer(STANDARD_OUTPUT)(
            f"""
  imgsrv {__version__} serves on {listener.url}
  {workers} {"worker" if workers == 1 else "workers"} · bodies up to {body} \
· pictures up to {settings.max_pixels / 1e6:g} megapixels · {settings.job_timeout_s:g} s a picture

  Try:
    {curl} --data-binary @photo.jpg '{url}/resize?width=800' -o small.jpg
    {curl} --data-binary @photo.jpg '{url}/pipeline?ops=resize:width=800/sharpen&format=webp' -o small.webp
    {curl} {url}/operations

  Ctrl-C finishes what is in flight and stops.
""".encode()
        )

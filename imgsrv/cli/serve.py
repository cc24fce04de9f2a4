"""`imgsrv serve`: run the server."""

from __future__ import annotations

import argparse
import gc
from typing import Any

from imgsrv.cli._flags import add_settings, read_settings
from imgsrv.pool.reload.exec import STATE_FLAG
from imgsrv.pool.reload.trial import TRIAL_FLAG
from imgsrv.server.cpus import worker_count
from imgsrv.server.descriptors import raise_limit


def add_parser(commands: Any) -> None:
    """Add `serve` to the commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "serve",
        description="Serve until SIGTERM or Ctrl-C.  A second signal stops the server at once.",
    )
    add_settings(parser)
    # A running server passes these flags to itself at a reload.
    parser.add_argument(TRIAL_FLAG, action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(STATE_FLAG, type=int, dest="state_file", help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Serve; return the exit status when all open requests are done.  Raises BadSetting and CannotListen."""
    configuration = read_settings(parsed)
    raise_limit(worker_count(configuration.settings.workers))
    # Until the workers are forked: all that is loaded stays, so the collector would search it in vain, again and again.
    gc.disable()
    try:
        from imgsrv.server.boot import boot  # noqa: PLC0415  the help and a wrong setting need no server

        return boot(configuration, parsed.state_file, is_trial=parsed.trial)
    finally:
        gc.enable()

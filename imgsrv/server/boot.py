"""The boot of a server, from the settings to the loop of the master.

    settings → logs → imaging → listener → roster → master loop → ready

A reload executes the program anew and boots again with the state from the image before (pool/reload/reloading.py).  A
restart boots again without one.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable
from pathlib import Path

from imgsrv.environment import notify_socket, watchdog_s
from imgsrv.errors import BadSetting, NoWorkerCanBoot
from imgsrv.imaging.codecs import turbojpeg
from imgsrv.imaging.codecs.native import jpeg as native_jpeg
from imgsrv.imaging.lettering.fonts import use_fallbacks, use_fonts
from imgsrv.imaging.model.weights import use_weights
from imgsrv.imaging.pixels import resample
from imgsrv.imaging.prepare import preload, prepare_process
from imgsrv.installed import with_command
from imgsrv.observe.log.configure import configure_logs
from imgsrv.observe.log.sink import STANDARD_ERROR, Sink
from imgsrv.observe.log.unblocked import Writer, dropping_text, never_wait
from imgsrv.pool.control.instances import Claim
from imgsrv.pool.events import Events
from imgsrv.pool.listen.base import Listener
from imgsrv.pool.master import EXIT_TO_RESTART
from imgsrv.pool.reload.exec import Passed, command_line, execute_afresh, read_state
from imgsrv.pool.worker.identity import Identity
from imgsrv.printable import printable_lines
from imgsrv.server.banner import warn_if_open
from imgsrv.server.listeners import open_beside, open_listener, wait_for_address
from imgsrv.server.notify import Notifier
from imgsrv.server.parts import claim_of, master_of, work_of
from imgsrv.server.trial import run_trial
from imgsrv.server.workers import identity_of
from imgsrv.settings import Configuration, Settings
from imgsrv.settings_checks import split
from imgsrv.trusted_paths import weakness
from imgsrv.web.tracing import load_tracing

EXIT_FAILED = 1


def boot(configuration: Configuration, state_file: int | None = None, *, is_trial: bool = False) -> int:
    """Serve until the server is told to stop; return the exit status.

    state_file: the descriptor of the state from the image before.  is_trial: only try whether a worker could boot.
    Raises BadArgument, BadSetting, CannotListen, CannotWriteLog, NameTaken and BadRuntimeFolder.
    """
    passed = None if state_file is None else read_state(state_file)
    settings = configuration.settings
    # Whoever reads standard error may stop; no process of the server waits for that.
    never_wait(STANDARD_ERROR)
    sink = configure_logs(settings.log_format, settings.log_level, settings.log_file)
    _prepare_process(settings)
    identity = identity_of(settings)
    sink.give_to(identity.user, identity.group)
    if is_trial:
        return run_trial(configuration, identity, sink, passed)
    events = Events()
    on_turn = _notify(events)
    if not native_jpeg.IS_HERE:
        events.info("jpeg_decoder_missing", reason=native_jpeg.WHY_MISSING)
    if not turbojpeg.IS_HERE:
        events.info("jpeg_fast_path_missing", extra="turbo", reason=with_command(turbojpeg.WHY_MISSING))
    if not resample.IS_FAST:
        events.info("resizer_missing", reason="cykooz-resizer has no wheel here; Pillow resizes, 3 to 9 times slower")
    status = _serve(configuration, identity, sink, events, on_turn, passed)
    while status == EXIT_TO_RESTART:
        command = command_line()
        try:
            execute_afresh(command)
        except OSError as error:
            events.error("restart_failed", reason=f"{command[0]} cannot be executed: {error.strerror}")
        # The workers and the address are gone, but the program is still in memory: serve on with it.
        status = _serve(configuration, identity, sink, events, on_turn, None)
    return status


def load_fonts(settings: Settings) -> None:
    """Take the fonts of the settings over.  Raises BadSetting."""
    if settings.font_dir:
        # Root opens every font there.
        if (fault := weakness(Path(settings.font_dir))) is not None:
            raise BadSetting(f"--font-dir={settings.font_dir}", f"root does not read it: {fault}")
        use_fonts(Path(settings.font_dir))
    use_fallbacks(split(settings.font_fallback))


def _prepare_process(settings: Settings) -> None:
    """Set what holds for the whole process, and load what the workers share."""
    prepare_process()
    load_fonts(settings)
    if settings.weights_file:
        use_weights(Path(settings.weights_file))
    load_tracing(settings)
    preload()


def _serve(
    configuration: Configuration,
    identity: Identity,
    sink: Sink,
    events: Events,
    on_turn: Callable[[bool], None],
    passed: Passed | None,
) -> int:
    settings = configuration.settings
    with claim_of(settings, passed) as claim, _listen(settings, identity, passed, claim, events) as listener:
        sockets = open_beside(settings, passed)
        work = work_of(settings, listener.name, identity, sink, passed, sockets)
        if passed is None:
            warn_if_open(settings, listener, events)
        master = master_of(configuration, work, listener, claim, events, passed, on_turn)
        # The workers share the memory of all that is there by now, as long as the collector does not touch it.  Nothing
        # is collected before: new objects of each worker would fill the holes, in pages that would be shared.
        gc.freeze()
        gc.enable()
        try:
            # Code of others prints there too; in the workers, which are forked below, and in the master.
            with contextlib.redirect_stderr(dropping_text(STANDARD_ERROR)):
                return master.run()
        except NoWorkerCanBoot as error:
            sink.finish()
            with contextlib.suppress(OSError):
                Writer(STANDARD_ERROR)(f"imgsrv: {printable_lines(str(error))}\n".encode())
            return EXIT_FAILED
        finally:
            sink.finish()


def _listen(settings: Settings, identity: Identity, passed: Passed | None, claim: Claim, events: Events) -> Listener:
    if claim.is_heir:
        return wait_for_address(settings, identity, events.warning)
    return open_listener(settings, identity, passed)


def _notify(events: Events) -> Callable[[bool], None]:
    """Report the events to systemd, if it asks for that; return the function to call in each turn of the loop."""
    if not (address := notify_socket()):
        return lambda _is_healthy: None
    notifier = Notifier(address, watchdog_s())
    events.observers.append(notifier.observe)
    return notifier.turn

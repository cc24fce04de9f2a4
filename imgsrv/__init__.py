"""imgsrv: process pictures, as a library (`docs/library.md`), on the command line and over HTTP.

`import imgsrv` alone loads nothing else; each name below loads its module when it is first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgsrv import errors
    from imgsrv.imaging.codecs.output import Output
    from imgsrv.imaging.model.limits import Limits
    from imgsrv.imaging.model.picture_facts import PictureFacts
    from imgsrv.imaging.pipelines.pipeline import Pipeline
    from imgsrv.library import describe, process

__all__ = ["Limits", "Output", "PictureFacts", "Pipeline", "describe", "errors", "process"]

__version__ = "0.1.0"

_MODULES = {
    "Limits": "imgsrv.imaging.model.limits",
    "Output": "imgsrv.imaging.codecs.output",
    "PictureFacts": "imgsrv.imaging.model.picture_facts",
    "Pipeline": "imgsrv.imaging.pipelines.pipeline",
    "describe": "imgsrv.library",
    "process": "imgsrv.library",
}

if not TYPE_CHECKING:  # a type checker would take any name for one that exists

    def __getattr__(name: str) -> Any:
        """Load a name of the library when it is first used (PEP 562)."""
        from importlib import import_module  # noqa: PLC0415  `import imgsrv` alone stays cheap

        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_MODULES[name]), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})

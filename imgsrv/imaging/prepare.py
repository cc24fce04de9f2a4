"""What a process that works on nothing but pictures sets for itself; importing imgsrv sets none of it.

Results are the same without it.  A program that uses imgsrv as a library may leave it out: then decoders take as many
threads as they like, and Pillow's warnings of odd tags go where the program sends warnings.
"""

from __future__ import annotations

import warnings

import cv2
from PIL import AvifImagePlugin, Image

from imgsrv.imaging.apart.pool import keep_warm
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import FORMATS
from imgsrv.imaging.lazy import hb
from imgsrv.imaging.lettering.fonts import font_names
from imgsrv.imaging.memory.malloc import keep_freed_memory
from imgsrv.imaging.operations import OPERATIONS


def prepare_process() -> None:
    """Set up this process, and those that it forks later, for one picture on one core at a time."""
    # Pillow warns of odd tags and of large pictures: the first do no harm, and Limits refuses the second.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    Image.MAX_IMAGE_PIXELS = None
    # An engine owns one core; libavif and OpenCV would start a thread for each core of the machine.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    cv2.setNumThreads(1)
    keep_freed_memory()
    keep_warm()
    for form in FORMATS.values():
        form.register()


def preload() -> None:
    """Load what is otherwise loaded on first use, so that workers share it and no request waits for it."""
    Output.model_rebuild()
    for row in OPERATIONS.values():
        row.parameters.model_rebuild()
    Image.preinit()
    hb.version_string()
    # A worker of another user could perhaps not read them.
    font_names()

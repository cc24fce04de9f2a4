"""The build of imgsrv: that of setuptools, and the native decoder where a compiler for it comes as a wheel.

The wheel `ziglang` brings the compiler.  Where there is none for the machine, or where it fails, imgsrv is built
without the decoder, and libjpeg-turbo does its work.

    pip install . -C native=off            without the decoder
    python -m build -w -C native=aarch64   for another machine: Zig compiles for any
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import imgsrv_native
from imgsrv_native import COMPILER, FOLDER, MACHINES, NAME, SOURCE, CompilerFails
from setuptools import Extension, build_meta
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, OptionError

PLATFORMS = "manylinux_2_17_{0}.musllinux_1_1_{0}"
"""The tag of a wheel with libraries.  They run on older systems too; pip has no older names for both machines."""

Options = Mapping[str, Any] | None

prepare_metadata_for_build_wheel = build_meta.prepare_metadata_for_build_wheel
prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable
get_requires_for_build_sdist = build_meta.get_requires_for_build_sdist
build_sdist = build_meta.build_sdist

_wanted: list[str] = []
"""The machine of the build in hand, which `setup.py` has to know."""


def get_requires_for_build_wheel(config_settings: Options = None) -> list[str]:
    """What has to be installed for a build: the compiler too, where it is wanted and there is a wheel of it."""
    compiler = [COMPILER] if _machine(config_settings) else []
    return [*build_meta.get_requires_for_build_wheel(config_settings), *compiler]


get_requires_for_build_editable = get_requires_for_build_wheel


def build_wheel(wheel_directory: str, config_settings: Options = None, metadata_directory: str | None = None) -> str:
    """Build the wheel; returns its name."""
    _wanted[:] = [_machine(config_settings)]
    return str(build_meta.build_wheel(wheel_directory, config_settings, metadata_directory))


def build_editable(wheel_directory: str, config_settings: Options = None, metadata_directory: str | None = None) -> str:
    """Build the wheel that refers to the sources, with the libraries there; returns its name."""
    _wanted[:] = [_machine(config_settings)]
    return str(build_meta.build_editable(wheel_directory, config_settings, metadata_directory))


def _machine(config_settings: Options) -> str:
    """The machine to build the decoder for; empty for none.  Raises OptionError for one that is not known."""
    asked = str((config_settings or {}).get("native", ""))
    if asked and asked not in {"off", *MACHINES}:
        raise OptionError(f"native={asked} is unknown; it may be off, {' or '.join(MACHINES)}")
    here = imgsrv_native.this_machine()
    # The compiler has to run here, whatever it compiles for.
    return "" if asked == "off" or not here else asked or here


def extensions() -> list[Extension]:
    """The libraries of the build in hand."""
    machine = _wanted[0] if _wanted else ""
    if not machine or not imgsrv_native.has_compiler():
        return []
    return [Library(machine, processor) for processor in MACHINES[machine]]


class Library(Extension):
    """A library for one processor.  It is optional: a compiler that fails is no reason not to install."""

    def __init__(self, machine: str, processor: str) -> None:
        super().__init__(".".join([*FOLDER.parts, NAME.format(processor)]), [str(SOURCE)], optional=True)
        self.machine, self.processor = machine, processor


class BuildLibraries(build_ext):
    """Compiles by Zig instead of the C compiler of Python."""

    def build_extension(self, ext: Library) -> None:
        """Compile one library.  Raises CompileError."""
        try:
            imgsrv_native.compile_library(ext.machine, ext.processor, Path(self.get_ext_fullpath(ext.name)))
        except CompilerFails as error:
            raise CompileError(str(error)) from error

    def get_ext_filename(self, fullname: str) -> str:
        """The file of a library, without the tag of a Python, because it belongs to none."""
        return f"{fullname.replace('.', '/')}.so"


class TaggedWheel(bdist_wheel):
    """A wheel with libraries is one for every Python of its platform."""

    def get_tag(self) -> tuple[str, str, str]:
        """Python, its binary interface, and the platforms."""
        if not (libraries := self.distribution.ext_modules):
            python, interface, system = super().get_tag()
            return python, interface, system
        return "py3", "none", PLATFORMS.format(libraries[0].machine)

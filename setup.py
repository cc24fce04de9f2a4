"""What pyproject.toml cannot say of the build: the native decoder of native/."""

from imgsrv_build import BuildLibraries, TaggedWheel, extensions
from setuptools import setup

setup(ext_modules=extensions(), cmdclass={"build_ext": BuildLibraries, "bdist_wheel": TaggedWheel})

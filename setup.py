"""Builds the native training loop where there is a compiler; without one everything runs through torch."""

from pathlib import Path

from pybind11.setup_helpers import ParallelCompile, Pybind11Extension
from setuptools import setup

SOURCES = Path("bench/native")

extension = Pybind11Extension(
    "fflbench._native",
    sorted(str(path) for path in SOURCES.glob("*.cpp")),
    depends=sorted(str(path) for path in SOURCES.glob("*.hpp")),
    cxx_std=17,
    extra_compile_args=["-O3", "-g0", "-fno-math-errno", "-Wno-psabi"],
    optional=True,
)

with ParallelCompile():  # A file a core.
    setup(ext_modules=[extension])

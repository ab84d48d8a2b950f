"""What would be published: the wheel and the source distribution, made from the checkout without a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata

from aiclient import __version__

ROOT = Path(__file__).parents[1]
NAME = f"aiclient-{__version__}"

pytestmark = pytest.mark.slow


def build(tree, folder):
    """Make both of `tree`, as if it were always the same moment."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    moment = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}
    subprocess.run(command, cwd=tree, env=moment, check=True, capture_output=True)
    return folder / f"{NAME}-py3-none-any.whl", folder / f"{NAME}.tar.gz"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def wheel(made):
    with zipfile.ZipFile(made[0]) as file:
        yield file


@pytest.fixture(scope="module")
def unpacked(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(made[1]) as file:
        file.extractall(folder, filter="data")
    return folder / NAME


@pytest.fixture(scope="module")
def metadata(wheel):
    return Metadata.from_email(wheel.read(f"{NAME}.dist-info/METADATA"), validate=True)


def files(folder):
    """Return the paths below `folder` that an editor or an interpreter did not leave there."""
    return {
        path.relative_to(folder.parent).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not {"__pycache__", ".mypy_cache"} & {*path.parts}
    }


def test_the_wheel_holds_the_package_whole_and_nothing_else(wheel):
    about = {f"{NAME}.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    assert set(wheel.namelist()) == files(ROOT / "aiclient") | about | {f"{NAME}.dist-info/licenses/LICENSE"}
    assert {"aiclient/py.typed", "aiclient/prices.json"} <= set(wheel.namelist())


def test_the_wheel_holds_no_tests(wheel):
    assert [name for name in wheel.namelist() if re.search(r"(^|/)(tests/|test_|conftest)", name)] == []


def test_the_command_is_installed(wheel):
    assert wheel.read(f"{NAME}.dist-info/entry_points.txt").decode() == (
        "[console_scripts]\naiclient = aiclient.cli:main\n"
    )


def test_the_metadata_say_what_it_is_and_what_it_needs(metadata):
    assert (metadata.name, str(metadata.version), metadata.license_expression) == ("aiclient", __version__, "MIT")
    assert metadata.license_files == ["LICENSE"]
    assert metadata.description_content_type == "text/markdown"
    needed = {one.name for one in metadata.requires_dist if one.marker is None}
    assert {"httpx", "attrs"} <= needed
    assert needed & {"rich", "orjson", "pytest"} == set()


def test_every_version_of_python_that_is_named_is_one_that_it_is_built_for(metadata):
    named = {one.rpartition(" ")[2] for one in metadata.classifiers if re.search(r":: 3\.\d+$", one)}
    assert named
    assert all(metadata.requires_python.contains(f"{version}.0") for version in named)


@pytest.mark.parametrize("folder", ["aiclient", "tests", "examples", "benchmarks", ".github"])
def test_the_source_distribution_holds_what_the_readmes_commands_need(unpacked, folder):
    assert files(unpacked / folder) == files(ROOT / folder)


@pytest.mark.parametrize(
    "name", ["README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "conftest.py", ".ci/run", "docs/README.md"]
)
def test_the_source_distribution_holds_what_stands_beside_them(unpacked, name):
    assert (unpacked / name).read_bytes() == (ROOT / name).read_bytes()


def test_made_again_from_its_own_source_distribution_elsewhere_it_is_the_same_to_the_byte(made, unpacked, tmp_path):
    again = build(unpacked, tmp_path)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in made]

"""Packages that plug in: the example's entry points, as an installed package has them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "third_party"


@pytest.fixture
def installed(tmp_path):
    """A folder of site-packages in which the example is installed as pip does it: its code, and its metadata."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))["project"]
    metadata = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {where}\n" for name, where in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(groups))
    (tmp_path / "aiclient_acme").symlink_to(EXAMPLE / "src" / "aiclient_acme")
    return tmp_path


def printed(folder, code):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{Path(__file__).parents[1]}"},
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_a_providers_name_is_known_once_its_package_is_installed(installed):
    code = (
        "import json, sys\n"
        "from aiclient import Client, registry\n"
        "early = 'aiclient_acme' in sys.modules\n"
        "with Client('acme:big') as client:\n"
        "    answer = client.chat('hi')\n"
        "print(json.dumps([early, 'acme' in registry.names(), answer.message.content, answer.model]))\n"
    )
    assert printed(installed, code) == [False, True, "Acme", "big"]


def test_a_configuration_may_name_what_the_package_brings_with_its_options(installed):
    code = (
        "import json\n"
        "from aiclient import Client, ConfigError\n"
        "from aiclient.config import schema\n"
        "style = {'house_style': {'rule': 'Be kind.'}}\n"
        "config = {'providers': {'a': {'provider': 'acme', 'words': 'hello'}}, 'use': [style]}\n"
        "with Client.from_config(config, environ={}) as client:\n"
        "    found = [client.chat('hi').message.content, type(client.middleware[0]).__name__]\n"
        "for bad in ({'use': [{'house_style': {'rules': 'x'}}]}, {'providers': {'a': {'provider': 'acme', 'words': 3}}},\n"
        "            {'providers': {'a': {'provider': 'acme', 'words': ''}}}):\n"
        "    try:\n"
        "        Client.from_config(bad, environ={})\n"
        "    except ConfigError as error:\n"
        "        found.append(str(error).partition(': ')[2])\n"
        "found.append('house_style' in json.dumps(schema()))\n"
        "print(json.dumps(found))\n"
    )
    assert printed(installed, code) == [
        "hello",
        "HouseStyle",
        "$.use[0].house_style.rules: is not known here; did you mean 'rule'?",
        "$.providers.a.words: must be a text, not a number",
        "$.providers.a: words must not be empty",
        True,
    ]


def test_without_the_package_the_names_are_not_known():
    code = (
        "import json\nfrom aiclient import registry\n"
        "print(json.dumps(['acme' in registry.names(), 'house_style' in registry.middleware]))"
    )
    assert printed("", code) == [False, False]

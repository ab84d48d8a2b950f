"""The oracles are slow, and skipped where they are not installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiclient.testutil.server import LoopbackServer

from .seen import KEY, REPLY

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def server():
    with LoopbackServer(reply=REPLY, api_key=KEY) as server:
        yield server

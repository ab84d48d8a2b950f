"""Importing is cheap: what is loaded, and what is not, in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = [
    "httpx",
    "httpcore",
    "anyio",
    "asyncio",
    "attrs",
    "attr",
    "cattrs",
    "tenacity",
    "opentelemetry",
    "ssl",
    "socket",
    "logging",
    "sqlite3",
]

WATCH = """
import json, sys
before = set(sys.modules)
sockets = []
sys.addaudithook(lambda event, args: sockets.append(event) if event.startswith("socket.") else None)
{code}
print(json.dumps([sorted(set(sys.modules) - before), sockets]))
"""


def loaded(code):
    """Run `code` in a fresh interpreter; returns (the modules it added, the socket events it caused)."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", WATCH.format(code=code)], check=True, capture_output=True, text=True, timeout=60
    )
    return json.loads(done.stdout.splitlines()[-1])


def tops(modules):
    return {name.split(".")[0] for name in modules}


@pytest.fixture(scope="module")
def bare():
    return loaded("import aiclient")


@pytest.mark.parametrize("name", HEAVY)
def test_importing_the_package_does_not_load(bare, name):
    assert name not in tops(bare[0])


def test_importing_the_package_adds_few_modules(bare):
    assert len(bare[0]) < 30, bare[0]


def test_importing_the_package_opens_no_socket(bare):
    assert bare[1] == []


@pytest.mark.parametrize("package", ["middleware", "providers", "testutil"])
def test_importing_a_package_of_names_loads_none_of_them(package):
    modules, sockets = loaded(f"import aiclient.{package}")
    assert not tops(modules) & set(HEAVY) and sockets == []
    assert not [name for name in modules if name.startswith(f"aiclient.{package}.")]


CLIENT = "from aiclient import Client\nfrom aiclient.testutil import MockProvider\nclient = Client(MockProvider('x'))"


def test_a_client_on_a_mock_loads_no_http_library():
    modules, _ = loaded(CLIENT)
    assert not tops(modules) & {"httpx", "httpcore", "cattrs", "tenacity", "opentelemetry", "anyio"}


def test_a_call_on_a_mock_loads_no_http_library():
    modules, _ = loaded(CLIENT + "\nassert client.chat('hi').message.content == 'x'\nclient.close()")
    assert not tops(modules) & {"httpx", "httpcore", "cattrs", "tenacity", "opentelemetry", "anyio"}


def test_a_success_through_retry_never_loads_tenacity():
    modules, _ = loaded(
        CLIENT + "\nfrom aiclient.middleware import Retry\nclient.use(Retry()).chat('hi')\nclient.close()"
    )
    assert "tenacity" not in tops(modules)


def test_a_hit_of_a_cache_in_memory_loads_no_database():
    modules, _ = loaded(
        CLIENT + "\nfrom aiclient.middleware import Cache\nclient.use(Cache(sampled=True))"
        "\nassert [client.chat('hi').cached for _ in range(2)] == [False, True]\nclient.close()"
    )
    assert not tops(modules) & {"sqlite3", "httpx", "tenacity"}


def test_values_and_errors_bring_no_event_loop():
    modules, _ = loaded(
        "from aiclient import ChatRequest, Message, ServerError, Usage\nChatRequest([Message('user', 'x')])"
    )
    assert not tops(modules) & {"asyncio", "httpx", "cattrs"}


def test_aiolimiter_is_loaded_for_a_pace_alone():
    code = "from aiclient.middleware import RateLimit; RateLimit(requests=1); {}"
    assert "aiolimiter" not in tops(loaded(code.format(""))[0])
    assert "aiolimiter" in tops(loaded(code.format("RateLimit(pace=1)"))[0])


def test_a_client_from_the_environment_loads_nothing_that_reads_typed_values():
    code = "import os; os.environ.update(AI_PROVIDER='mock', AI_TIMEOUT='5'); from aiclient import Client; Client.from_env()"
    assert not tops(loaded(code)[0]) & {"httpx", "cattrs", "yaml", "tomllib", "tenacity"}

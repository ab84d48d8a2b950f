"""Runs the examples of README.md, docs/ and the docstrings.

A `python` block of a document is executed as it stands, in one namespace per document, and what it prints must be what the
`text` block after it shows (`...` stands for anything). The variables a reader would have set, a key and an address, are
set here: the address is a server on this machine.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import logging

import pytest
from attrs import evolve
from sybil import Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser

import aiclient
from aiclient import middleware, testutil

ANSWERS = {
    "Capital of France?": "Paris.",
    "Name three rivers.": "Rhine, Loire and Danube.",
    "What is the weather in Bonn?": "Sunny.",
}


def _answer(messages):
    """Play the model: known questions get their answer."""
    return ANSWERS.get(messages[-1]["content"], "I do not know.")


class _Session:
    """A reader's shell: the environment, and a service that answers."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()

    def begin(self, _) -> None:
        server = self._stack.enter_context(testutil.LoopbackServer(reply=_answer))
        environ = self._stack.enter_context(pytest.MonkeyPatch.context())
        environ.setenv("OPENAI_API_KEY", "sk-of-the-reader")
        environ.setenv("OPENAI_BASE_URL", server.base_url)
        for name in ("AI_PROVIDER", "AI_API_KEY", "AI_BASE_URL", "AI_DEFAULT_MODEL", "AI_TIMEOUT", "AI_MAX_RETRIES"):
            environ.delenv(name, raising=False)

    def end(self, namespace) -> None:
        self._stack.close()
        _quiet(namespace)


class _Printed:
    """Executes `python` blocks and compares what they print with the `text` block that follows."""

    def __init__(self) -> None:
        self._python = PythonEvaluator()
        self._checker = doctest.OutputChecker()

    def run(self, example) -> None:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            self._python(example)
        example.namespace["_printed"] = printed.getvalue()

    def compare(self, example) -> str | None:
        printed = example.namespace.pop("_printed", None)
        if printed is None:
            return "no python block stands before this output"
        if self._checker.check_output(example.parsed, printed, doctest.ELLIPSIS):
            return None
        return f"the document shows\n\n{example.parsed}\nand what is printed is\n\n{printed}"


def _quiet(namespace) -> None:
    """Forget the examples' values, and the handler that `logs.configure` set up in them."""
    namespace.clear()
    logger = logging.getLogger("aiclient")
    logger.handlers[:] = [handler for handler in logger.handlers if isinstance(handler, logging.NullHandler)]
    logger.setLevel(logging.NOTSET)


def _public_names(namespace) -> None:
    """Docstring examples may use everything that is public without importing it."""
    for module in (aiclient, middleware, testutil):
        namespace.update({name: getattr(module, name) for name in module.__all__})
    namespace["evolve"] = evolve


_session, _blocks = _Session(), _Printed()

pytest_collect_file = (
    Sybil(
        parsers=[
            CodeBlockParser(language="python", evaluator=_blocks.run),
            CodeBlockParser(language="text", evaluator=_blocks.compare),
            SkipParser(),
        ],
        patterns=["README.md", "docs/*.md"],
        setup=_session.begin,
        teardown=_session.end,
    )
    + Sybil(
        parsers=[DocTestParser(doctest.ELLIPSIS)],
        patterns=["aiclient/*.py", "aiclient/*/*.py"],
        setup=_public_names,
        teardown=_quiet,
    )
).pytest()

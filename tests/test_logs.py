"""Logging set-up and correlation."""

from __future__ import annotations

import asyncio
import logging

import pytest

import aiclient
from aiclient import logs
from aiclient.errors import ConfigError
from aiclient.logs import correlation, correlation_id


@pytest.fixture
def restored():
    logger = logging.getLogger("aiclient")
    handlers, level = list(logger.handlers), logger.level
    yield logger
    logger.handlers[:], logger.level = handlers, level
    logger.setLevel(level)


def test_there_is_no_correlation_outside_a_block():
    assert correlation_id() is None


def test_blocks_nest_and_restore():
    with correlation("outer"):
        with correlation("inner"):
            assert correlation_id() == "inner"
        assert correlation_id() == "outer"
    assert correlation_id() is None


def test_a_block_that_raises_restores():
    with pytest.raises(ValueError), correlation("order-17"):
        raise ValueError
    assert correlation_id() is None


def test_without_a_name_one_is_made():
    with correlation() as one, correlation() as other:
        assert one != other == correlation_id() and len(one) == 32


@pytest.mark.parametrize("name", ["", 7])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(ConfigError, match=r"give a text that is not empty"), correlation(name):
        pass


def test_it_is_the_one_that_the_package_exports():
    assert aiclient.correlation is correlation


@pytest.mark.anyio
async def test_tasks_started_inside_carry_the_correlation_and_others_do_not():
    async def read():
        return correlation_id()

    with correlation("order-17"):
        inside = asyncio.create_task(read())
    outside = asyncio.create_task(read())
    assert (await inside, await outside) == ("order-17", None)


def test_without_configuration_nothing_is_printed(capsys):
    logging.getLogger("aiclient.calls").warning("unseen")
    assert capsys.readouterr() == ("", "")


def test_configure_prints_one_line_with_the_fields(restored, capsys):
    logs.configure("INFO")
    extra = {"aiclient": {"event": "retry", "delay": 0.5, "model": None}}
    logging.getLogger("aiclient.calls").info("a message", extra=extra)
    line = capsys.readouterr().err
    assert line.endswith("INFO aiclient.calls a message event='retry' delay=0.5\n") and line.count("\n") == 1


def test_a_record_without_fields_is_printed_as_it_is(restored, capsys):
    logs.configure("INFO")
    logging.getLogger("aiclient.http").info("bare")
    assert capsys.readouterr().err.endswith("aiclient.http bare\n")


def test_configuring_twice_prints_once_and_takes_the_new_level(restored, capsys):
    logs.configure("DEBUG")
    logs.configure("WARNING")
    logger = logging.getLogger("aiclient.calls")
    logger.info("low")
    logger.warning("high")
    assert capsys.readouterr().err.count("\n") == 1


def test_configure_leaves_a_handler_of_the_application_alone(restored):
    mine = logging.NullHandler()
    restored.addHandler(mine)
    logs.configure()
    assert mine in restored.handlers and restored.level == logging.INFO

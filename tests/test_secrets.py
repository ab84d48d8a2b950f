"""Secrets that cannot be printed by accident."""

from __future__ import annotations

import copy
import json
import pickle
import traceback

import pytest

from aiclient.secrets import MASK, SecretStr

CANARY = "sk-canary-1234567890"


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        "{}".format,
        "{:>30}".format,
        "{!r}".format,
        "%s".__mod__,
        lambda secret: f"{[secret]} { ({'key': secret}) }",
    ],
    ids=["repr", "str", "format", "padded", "format-repr", "percent", "nested"],
)
def test_no_way_of_printing_shows_the_value(show):
    shown = show(SecretStr(CANARY))
    assert CANARY not in shown and MASK in shown


def test_reveal_gives_the_value():
    assert SecretStr(CANARY).reveal() == CANARY


def test_pickle_and_json_refuse():
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(SecretStr(CANARY))
    with pytest.raises(TypeError):
        json.dumps(SecretStr(CANARY))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_copies_are_the_secret_itself(duplicate):
    secret = SecretStr(CANARY)
    assert duplicate(secret) is secret
    assert duplicate({"key": secret})["key"] is secret


def test_a_secret_has_no_dict_to_look_into():
    with pytest.raises(TypeError):
        vars(SecretStr(CANARY))


def test_secrets_compare_by_value_and_only_with_secrets():
    assert SecretStr("a") == SecretStr("a") and SecretStr("ä") != SecretStr("b")
    assert SecretStr("a") != "a"
    assert len({SecretStr("a"), SecretStr("a"), SecretStr("b")}) == 2


def test_an_empty_secret_is_false():
    assert SecretStr("x") and not SecretStr("")


def test_a_traceback_of_a_refused_pickle_does_not_show_the_value():
    try:
        pickle.dumps(SecretStr(CANARY))
    except TypeError:
        assert CANARY not in traceback.format_exc()

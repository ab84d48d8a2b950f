"""What keys look like: a doubt where one looks otherwise, and nothing of the key in it."""

from __future__ import annotations

import pytest

from aiclient.keyforms import aws_doubts, doubts
from aiclient.secrets import SecretStr

LONG = "Ab1_" * 30


@pytest.mark.parametrize(
    ("vendor", "key"),
    [
        ("OpenAI", f"sk-proj-{LONG}"),
        ("OpenAI", f"sk-svcacct-{LONG}"),
        ("OpenAI", "sk-" + "a" * 48),
        ("Anthropic", f"sk-ant-api03-{LONG}"),
        ("Google", f"AQ.Ab8{LONG}"),
        ("Azure", "0123456789abcdef" * 2),
        ("Azure", "aB3" * 28),
    ],
)
def test_a_key_of_its_vendors_form_raises_no_doubt(vendor, key):
    assert doubts(vendor, SecretStr(key)) == ()


@pytest.mark.parametrize(
    ("vendor", "key", "words"),
    [
        ("OpenAI", "canary-canary-canary", "does not look like one of OpenAI's"),
        ("OpenAI", "sk-short", "does not look like one of OpenAI's"),
        ("OpenAI", f"sk-admin-{LONG}", "is one for administration"),
        ("Anthropic", f"sk-ant-admin01-{LONG}", "is one for administration"),
        ("Anthropic", f"sk-ant-oat01-{LONG}", "is an access token of a subscription"),
        ("Anthropic", f"sk-proj-{LONG}", "does not look like one of Anthropic's"),
        ("Google", "AIza" + "a" * 35, "is a standard key"),
        ("Google", "canary", "does not look like one of Google's"),
        ("Azure", "0123456789ABCDEF" * 2, "does not look like one of Azure's"),
        ("Azure", "a" * 83, "does not look like one of Azure's"),
    ],
)
def test_another_form_raises_one_doubt_that_holds_no_part_of_the_key(vendor, key, words):
    (doubt,) = doubts(vendor, SecretStr(key))
    assert words in doubt and key not in doubt and "canary" not in doubt


SECRET = SecretStr("a" * 40)


@pytest.mark.parametrize(
    ("key_id", "secret", "with_token", "words"),
    [
        ("AKIA" + "A" * 16, SECRET, False, []),
        ("ASIA" + "A" * 16, SECRET, True, []),
        ("ASIA" + "A" * 16, SECRET, False, ["needs a session token"]),
        ("AKIA" + "A" * 16, SECRET, True, ["belongs to a temporary one"]),
        ("canary", SECRET, False, ["does not look like one (AKIA or ASIA"]),
        ("AKIA" + "A" * 16, SecretStr("canary"), False, ["(40 characters)"]),
        ("canary", SecretStr("canary"), False, ["AKIA or ASIA", "(40 characters)"]),
    ],
)
def test_the_parts_of_aws_credentials_must_belong_together(key_id, secret, with_token, words):
    found = aws_doubts(key_id, secret, with_token=with_token)
    assert (
        len(found) == len(words) and [word for word, doubt in zip(words, found, strict=True) if word not in doubt] == []
    )
    assert "canary" not in "".join(found)

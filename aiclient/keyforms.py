"""What the vendors' keys look like. Vendors change that when they like: another look is a doubt, never an error."""

from __future__ import annotations

import re
from typing import Final

from .secrets import SecretStr

__all__ = ["aws_doubts", "doubts"]

_FORMS: Final[dict[str, tuple[re.Pattern[str], str]]] = {
    # gitleaks, rules/openai.go at 09eba9f6 (read 2026-11): `sk-` alone is the old form; lengths have changed since.
    "OpenAI": (re.compile(r"sk-(?:(?:proj|svcacct)-)?[A-Za-z0-9_-]{20,}"), "sk-proj-, sk-svcacct- or sk-"),
    # gitleaks, rules/anthropic.go at 71ab52c7 (read 2026-11): 95 characters after the prefix.
    "Anthropic": (re.compile(r"sk-ant-api\d\d-[A-Za-z0-9_-]{80,}"), "sk-ant-api03-"),
    # "Using Gemini API keys" (ai.google.dev/gemini-api/docs/api-key, read 2026-11); its staff name the prefixes in
    # discuss.ai.google.dev/t/171575 and /t/170415.
    "Google": (re.compile(r"AQ\.[A-Za-z0-9_-]{20,}|AIza[A-Za-z0-9_-]{35}"), "AQ., or the older AIza and 35 characters"),
    # Old: trufflehog, azure_openai.go at 2cbb6426; new: rule SEC101/200 of Microsoft's security-utilities, 84 characters
    # (both read 2026-11).
    "Azure": (re.compile(r"[0-9a-f]{32}|[A-Za-z0-9]{84}"), "32 hexadecimal digits, or 84 letters and digits"),
}
"""Vendor: the form of its keys for models, and the same in words."""

_OTHERS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "OpenAI": (("sk-admin-", "is one for administration, which models refuse: make a project key"),),
    "Anthropic": (
        ("sk-ant-admin", "is one for administration, which models refuse: make an API key"),
        ("sk-ant-oat", "is an access token of a subscription, not an API key"),
    ),
    "Google": (
        ("AIza", "is a standard key, which Google said to refuse from September 2026: make an authorization key"),
    ),
}
"""Vendor: keys for something else, by how they begin."""

# "IAM identifiers" (docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html) names the prefixes; lengths: gitleaks,
# rules/aws.go at 0b3e6758 (read 2026-11).
_AWS_ID: Final = re.compile(r"(?:AKIA|ASIA)[A-Z0-9]{16}")
_AWS_SECRET: Final = re.compile(r"[A-Za-z0-9/+]{40}")


def doubts(vendor: str, key: SecretStr) -> tuple[str, ...]:
    """Return what speaks against `key` being one of `vendor`'s for models; of the key itself nothing is said.

    Example:
        >>> doubts("Azure", SecretStr("0123456789abcdef" * 2)), doubts("Azure", SecretStr("abc"))
        ((), ("the key does not look like one of Azure's (32 hexadecimal digits, or 84 letters and digits)",))
    """
    value = key.reveal()
    for beginning, what in _OTHERS.get(vendor, ()):
        if value.startswith(beginning):
            return (f"the key {what}",)
    form, words = _FORMS[vendor]
    return () if form.fullmatch(value) else (f"the key does not look like one of {vendor}'s ({words})",)


def aws_doubts(key_id: str, secret: SecretStr, *, with_token: bool) -> tuple[str, ...]:
    """Return what speaks against a pair of AWS credentials."""
    found = []
    if _AWS_ID.fullmatch(key_id) is None:
        found.append("the access key id does not look like one (AKIA or ASIA, and 16 capitals and digits)")
    elif key_id.startswith("ASIA") and not with_token:
        found.append("the access key id is a temporary one, which needs a session token too")
    elif key_id.startswith("AKIA") and with_token:
        found.append("the access key id is a permanent one, and a session token belongs to a temporary one")
    if _AWS_SECRET.fullmatch(secret.reveal()) is None:
        found.append("the secret access key does not look like one (40 characters)")
    return tuple(found)

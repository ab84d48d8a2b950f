"""Where a provider's key comes from: a string, a callable, or the environment, looked up at the last step."""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from .errors import ConfigError, MissingAPIKeyError
from .gate import Gate
from .secrets import SecretStr

__all__ = ["ApiKey", "KeySource", "vendor_of"]

KeySource: TypeAlias = str | SecretStr | Callable[[], "str | SecretStr | Awaitable[str | SecretStr]"]
"""A key, or something sync or async that gives one."""

_PREFIXES: Final = {
    # Longer ones first: Anthropic's and OpenRouter's keys begin like OpenAI's.
    "sk-ant-": "Anthropic",
    "sk-or-": "OpenRouter",
    "sk-proj-": "OpenAI",
    "sk-svcacct-": "OpenAI",
    "sk-admin-": "OpenAI",
    "gsk_": "Groq",
    "xai-": "xAI",
    "pplx-": "Perplexity",
    "AIza": "Google",
    "hf_": "Hugging Face",
}


def vendor_of(key: SecretStr) -> str | None:
    """Return the vendor whose keys look like this one; None when the look says nothing."""
    value = key.reveal()
    return next((vendor for prefix, vendor in _PREFIXES.items() if value.startswith(prefix)), None)


class ApiKey:
    """One provider's key.

    A callable is asked when the key is first needed and then only when the service refused what it gave (401); callers who
    need it meanwhile wait for the one answer. Strings and the environment are read once.

    Args:
        source: The key or a callable; None reads the environment.
        variable: Name of the environment variable.
        provider: Whose key it is, for messages.
        optional: Whether the service may be used without a key.
    """

    def __init__(
        self, source: KeySource | None = None, *, variable: str | None = None, provider: str, optional: bool = False
    ) -> None:
        self._ask = source if callable(source) else None
        self._given = None if callable(source) else source
        self._variable = variable
        self._provider = provider
        self._optional = optional
        self._secret: SecretStr | None = None
        self._gate = Gate(1)
        self._own_scope = os.urandom(8).hex()
        self._hash: str | None = None

    @property
    def refreshable(self) -> bool:
        """Whether asking again may give another key."""
        return self._ask is not None

    @property
    def secret(self) -> SecretStr | None:
        """The key as far as it is known without asking a callable.

        Raises:
            MissingAPIKeyError: None is given and the environment variable is not set.
            ConfigError: It cannot be a key.
        """
        if self._secret is None and self._ask is None:
            self._secret = self._read()
        return self._secret

    @property
    def known(self) -> SecretStr | None:
        """The key last used; None before the first use."""
        return self._secret

    @property
    def scope(self) -> str | None:
        """A keyed hash of the key, which tells tenants apart; of a callable, whose keys change, a name of its own."""
        if self._ask is not None:
            return self._own_scope
        if self._hash is not None:
            return self._hash
        try:
            secret = self.secret
        except ConfigError:  # nothing will be sent; whoever only wants to know where to must not fail
            return None
        if secret is None:
            return None
        from hashlib import blake2b  # noqa: PLC0415  # it loads OpenSSL

        self._hash = blake2b(secret.reveal().encode(), key=b"aiclient.scope", digest_size=8).hexdigest()
        return self._hash

    async def get(self) -> SecretStr | None:
        """Return the key; None where none is needed."""
        if self._ask is None:
            return self.secret
        return self._secret or await self._asked(refused=None)

    async def refresh(self, refused: SecretStr | None) -> SecretStr | None:
        """Return another key than the one the service refused; None when there is none to be had."""
        if self._ask is None:
            return None
        renewed = await self._asked(refused)
        return None if renewed == refused else renewed

    async def _asked(self, refused: SecretStr | None) -> SecretStr:
        """Ask the callable, unless another caller has just been given an answer."""
        assert self._ask is not None
        await self._gate.enter()
        try:
            if self._secret is None or self._secret == refused:
                answer = self._ask()
                self._secret = self._checked(await answer if inspect.isawaitable(answer) else answer)
            return self._secret
        finally:
            self._gate.leave()

    def _read(self) -> SecretStr | None:
        value: object = self._given
        if value is None and self._variable is not None:
            value = os.environ.get(self._variable)
        if value is None or value == "":
            if self._optional:
                return None
            hint = f"set {self._variable} or pass" if self._variable else "pass"
            raise MissingAPIKeyError(f"no API key for {self._provider}: {hint} api_key=", provider=self._provider)
        return self._checked(value)

    def _checked(self, value: object) -> SecretStr:
        """Refuse what cannot stand in a header; the value itself is never shown."""
        text = value.reveal() if isinstance(value, SecretStr) else value
        if not isinstance(text, str):
            raise ConfigError(f"the API key for {self._provider} must be a string, not {type(text).__name__}")
        # Files and `$(cat ...)` end with one line break; more than that is not a key.
        text = text.removesuffix("\n").removesuffix("\r")
        if not text:
            raise MissingAPIKeyError(f"the API key for {self._provider} is empty", provider=self._provider)
        if not text.isascii() or any(char <= " " or char == "\x7f" for char in text):
            raise ConfigError(f"the API key for {self._provider} holds white space or characters that no key has")
        return SecretStr(text)

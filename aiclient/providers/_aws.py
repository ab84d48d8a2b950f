"""AWS credentials, from wherever they come, as a key that signs.

What is taken: values as they are, the environment, botocore's objects (duck-typed, so that boto3's sessions are too) and
callables. botocore itself is imported only for its chain of files, roles and instance profiles (`pip install
'aiclient[bedrock]'`).
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import os
from typing import Any

from ..credentials import ApiKey
from ..errors import AuthenticationError, ConfigError, MissingAPIKeyError
from ..secrets import SecretStr
from ..wire.sigv4 import AWSCredentials

__all__ = ["AWSKey", "SigningKey"]


class SigningKey(SecretStr):
    """A secret access key, with what belongs to it."""

    __slots__ = ("credentials",)

    def __init__(self, credentials: AWSCredentials) -> None:
        super().__init__(credentials.secret_access_key.reveal())
        self.credentials = credentials


class AWSKey(ApiKey):
    """The key of a provider that signs its calls.

    Everything that may wait (files, services that hand out roles) is asked on a thread, by one caller for all.

    Args:
        source: AWSCredentials, a tuple (key id, secret[, session token]), botocore's credentials or a session of it, or a sync
            or async callable that gives one of these; None reads the environment, else asks botocore's chain.
        variables: Names of the environment variables that hold key id, secret and session token.
        provider: Whose key it is, for messages.
    """

    def __init__(self, source: Any = None, *, variables: tuple[str, str, str], provider: str) -> None:
        self._variables = variables
        if source is None and not os.environ.get(variables[0]) and importlib.util.find_spec("botocore") is not None:
            source = _chain
        self._source = source
        self._live: Any = None
        self._stale = False
        self._fixed = source is None or isinstance(source, (AWSCredentials, tuple))
        super().__init__(None if self._fixed else self._resolve, provider=provider)

    async def get(self) -> SecretStr | None:
        """Return the key; temporary ones are renewed before they expire, if their holder says when that is."""
        expires = getattr(self._live, "refresh_needed", None)
        if self._secret is not None and expires is not None and (self._stale or expires()):
            self._stale = True  # for whoever comes while the holder has the new ones and we do not
            return await self._asked(self._secret)
        return await super().get()

    async def _resolve(self) -> Any:
        found = self._source
        if callable(found):
            found = found() if inspect.iscoroutinefunction(found) else await asyncio.to_thread(found)
            found = await found if inspect.isawaitable(found) else found
        if hasattr(found, "get_credentials"):  # a session
            found = await asyncio.to_thread(found.get_credentials)
        if hasattr(found, "get_frozen_credentials"):
            self._live = found
            found = await asyncio.to_thread(found.get_frozen_credentials)
        self._stale = False
        return found

    def _read(self) -> SecretStr:
        if self._source is not None:
            return self._checked(self._source)
        id_, secret, token = (os.environ.get(name) for name in self._variables)
        if not id_ or not secret:
            raise self._missing()
        return self._checked((id_, secret, token or None))

    def _missing(self) -> MissingAPIKeyError:
        id_, secret, _ = self._variables
        return MissingAPIKeyError(
            f"no AWS credentials for {self._provider}: set AWS_BEARER_TOKEN_BEDROCK, or {id_} and {secret}, or pass "
            "bearer_token= or credentials=; profiles and roles are found with botocore (pip install 'aiclient[bedrock]')",
            provider=self._provider,
        )

    def _checked(self, value: object) -> SecretStr:
        """Bring what was given to one form; nothing of it is ever shown."""
        if value is None:
            raise self._missing()
        if isinstance(value, AWSCredentials):
            return SigningKey(value)
        if isinstance(value, tuple) and len(value) in (2, 3) and not hasattr(value, "access_key"):
            id_, secret, token = (*value, None)[:3]
        else:  # botocore's frozen credentials
            id_, secret, token = (getattr(value, name, None) for name in ("access_key", "secret_key", "token"))
        id_ = id_.reveal() if isinstance(id_, SecretStr) else id_
        if not isinstance(id_, str) or not id_.strip():
            raise ConfigError(
                f"credentials={type(value).__name__} for {self._provider} are none: give AWSCredentials, a tuple "
                "(key id, secret[, session token]), botocore's credentials, or a callable that gives one of these"
            )
        return SigningKey(AWSCredentials(id_.strip(), self._part(secret), self._part(token) if token else None))

    def _part(self, value: object) -> SecretStr:
        return SecretStr(super()._checked(value).reveal())


def _chain() -> Any:
    """Ask botocore's chain: environment, shared files, SSO, containers, instance profiles."""
    try:
        found = importlib.import_module("botocore.session").Session().get_credentials()
    except Exception as error:  # noqa: BLE001  # botocore raises what its many sources raise
        problem = f"botocore found no AWS credentials: {type(error).__name__}: {error}"
    else:
        return found
    raise AuthenticationError(problem)

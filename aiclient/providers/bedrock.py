"""Amazon Bedrock, by the Converse protocol: the models of many vendors in an AWS account.

Addresses: "Amazon Bedrock endpoints and quotas", AWS general reference; credentials: "Amazon Bedrock API keys", Amazon
Bedrock user guide, and "Create a signed AWS API request", IAM user guide (docs.aws.amazon.com, 2026-11).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ..context import CallContext, Timeouts
from ..credentials import ApiKey, KeySource
from ..errors import BadRequestError, ConfigError
from ..http import Head
from ..keyforms import aws_doubts
from ..net.transport import HTTPLimits
from ..request import ChatRequest, HTTPCall
from ..secrets import SecretStr
from ..wire.amazon import amazon_name, amazon_status
from ..wire.complaints import Complaint
from ..wire.converse import ConverseWire
from ..wire.sigv4 import signed
from ._aws import AWSKey, SigningKey
from ._endpoint import Endpoint
from ._http import HTTPProvider

__all__ = ["BedrockProvider"]

SERVICE: Final = "bedrock"
"""What signatures are for; the host is called `bedrock-runtime`."""

_VARIABLES: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")

_REGION: Final = re.compile(r"[a-z0-9-]{1,63}")


class BedrockProvider(HTTPProvider):
    """Chat with the models of Amazon Bedrock.

    Args:
        region: Such as `us-east-1`; None reads `AWS_REGION`, then `AWS_DEFAULT_REGION`.
        model: Used by requests that name none: a model's id, an inference profile's (`us.anthropic...`), or an ARN.
        credentials: `AWSCredentials`, a tuple (key id, secret[, session token]), credentials or a session of botocore or boto3,
            or a sync or async callable that gives one of these. None reads `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and
            `AWS_SESSION_TOKEN`, else asks botocore's chain where that is installed. Waiting for them blocks nothing.
        bearer_token: Instead of credentials, a Bedrock API key: a string, a SecretStr, or a sync or async callable; None reads
            `AWS_BEARER_TOKEN_BEDROCK`, unless `credentials` are given.
        base_url: None reads `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`, else the region's own.
        http_client: An `httpx.AsyncClient` to send through; it is never closed here.
        timeout: Seconds in all, or Timeouts; they only lower those of the call.
        limits: Connections and sizes; None is 100 connections at once, kept idle for 30 s.
        headers: Sent with every call.
        name: What it is called in errors and journals.
    """

    def __init__(
        self,
        region: str | None = None,
        *,
        model: str | None = None,
        credentials: Any = None,
        bearer_token: KeySource | None = None,
        base_url: str | None = None,
        http_client: Any = None,
        timeout: float | Timeouts | None = None,
        limits: HTTPLimits | None = None,
        headers: Mapping[str, str] | None = None,
        name: str = "bedrock",
    ) -> None:
        if credentials is not None and bearer_token is not None:
            raise ConfigError("give credentials or bearer_token, not both")
        token = bearer_token
        if token is None and credentials is None:
            token = os.environ.get("AWS_BEARER_TOKEN_BEDROCK") or None
        self._region = _checked(region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"))
        self._by_token = token is not None
        self._wire = ConverseWire()
        super().__init__(
            name=name,
            endpoint=Endpoint(
                base_url or os.environ.get("AWS_ENDPOINT_URL_BEDROCK_RUNTIME") or _address(self._region),
                headers=headers,
            ),
            key=(
                ApiKey(token, provider=name)
                if self._by_token
                else AWSKey(credentials, variables=_VARIABLES, provider=name)
            ),
            vendor="bedrock",
            model=model,
            chat=self._wire,
            http_client=http_client,
            timeout=timeout,
            limits=limits,
        )

    async def count_tokens(self, request: ChatRequest, /) -> int:
        """Return the number of input tokens of `request`, as the service counts them; it answers nothing."""
        return await self._count(request, self._wire.encode_count, self._wire.decode_count)

    async def _probe(self) -> object:
        try:
            return await super()._probe()
        except (
            BadRequestError
        ) as error:  # "The provided model doesn't support counting tokens." (7706f3ca748c): it answers
            if "counting tokens" not in error.message:
                raise
        return None

    def _doubts(self, secret: SecretStr) -> tuple[str, ...]:
        if not isinstance(secret, SigningKey):
            return ()  # what Bedrock's API keys look like is written nowhere
        own = secret.credentials
        return aws_doubts(own.access_key_id, own.secret_access_key, with_token=own.session_token is not None)

    def _auth(self, secret: SecretStr) -> list[tuple[str, str]]:
        if self._by_token:
            return super()._auth(secret)
        return [
            ("Authorization", f"AWS4-HMAC-SHA256 {secret}")
        ]  # of a preview, which signs nothing: the secret shows as ***

    def _ready(self, call: HTTPCall, context: CallContext, secret: SecretStr | None) -> HTTPCall:
        if not isinstance(secret, SigningKey):
            return super()._ready(call, context, secret)
        moment = datetime.fromtimestamp(context.clock.time(), UTC)
        ready = self._endpoint.call(call, id_=context.id, secret=())
        return signed(ready, secret.credentials, region=self._region, service=SERVICE, moment=moment)

    def _refused(self, head: Head) -> bool:
        """Whether the credentials are what is wrong: AWS says 403 of those too, and of a token's rights as of the token."""
        if head.status != 403 or self._by_token:
            return head.status in (401, 403)
        return amazon_status(Complaint(type=amazon_name(head.headers.get("x-amzn-errortype", "")))) == 401


def _checked(region: str | None) -> str:
    if not region:
        raise ConfigError("no AWS region: pass region= or set AWS_REGION")
    if not _REGION.fullmatch(region):
        raise ConfigError(f"region={region!r} is not the name of an AWS region, such as us-east-1")
    return region


def _address(region: str) -> str:
    return f"https://bedrock-runtime.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"

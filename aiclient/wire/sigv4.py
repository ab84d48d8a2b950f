"""AWS signatures, version 4: pure, the moment is given.

"Create a signed AWS API request", IAM user guide (docs.aws.amazon.com, read 2026-11).
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

from attrs import evolve, field, frozen

from ..request import HTTPCall
from ..secrets import SecretStr

__all__ = ["AWSCredentials", "signed"]

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_UNRESERVED: Final = "-_.~"


@frozen
class AWSCredentials:
    """An access key; `session_token` comes with temporary ones."""

    access_key_id: str
    secret_access_key: SecretStr
    session_token: SecretStr | None = field(default=None)


def signed(call: HTTPCall, credentials: AWSCredentials, *, region: str, service: str, moment: datetime) -> HTTPCall:
    """Return `call` with its signature in the headers; valid for five minutes around `moment` (UTC).

    The signature covers method, path, query, body, host, content type and every `x-amz-` header.
    """
    url = urlsplit(call.url)
    stamp = moment.strftime("%Y%m%dT%H%M%SZ")
    headers = [*call.headers, ("X-Amz-Date", stamp)]
    if credentials.session_token is not None:
        headers.append(("X-Amz-Security-Token", credentials.session_token.reveal()))
    covered = {"host": url.netloc}
    for name, value in headers:
        if name.lower() == "content-type" or name.lower().startswith("x-amz-"):
            covered[name.lower()] = " ".join(value.split())
    names = ";".join(sorted(covered))
    canonical = "\n".join(
        (
            call.method,
            # Every service but S3 has the path, which is encoded already, encoded once more.
            quote(url.path or "/", safe="/" + _UNRESERVED),
            _query(url.query),
            *(f"{name}:{covered[name]}" for name in sorted(covered)),
            "",
            names,
            hashlib.sha256(call.body).hexdigest(),
        )
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = b"AWS4" + credentials.secret_access_key.reveal().encode()
    for step in scope.split("/"):
        key = _hmac(key, step)
    credential = f"{credentials.access_key_id}/{scope}"
    signature = _hmac(key, text).hex()
    value = f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return evolve(call, headers=(*headers, ("Authorization", value)))


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _query(query: str) -> str:
    pairs = sorted(
        (quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED))
        for name, value in parse_qsl(query, keep_blank_values=True)
    )
    return "&".join(f"{name}={value}" for name, value in pairs)

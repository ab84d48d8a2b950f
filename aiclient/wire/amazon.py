"""What AWS's exceptions mean: their names say more than the statuses they come with, and stand alone inside a stream.

Errors of Converse, ConverseStream and CountTokens with their statuses: Amazon Bedrock Runtime API reference, 2023-09-30, as in
the service model of botocore 1.44.5 (2026-11); those of signatures: "Common errors", AWS API references.
"""

from __future__ import annotations

from typing import Final

from .complaints import Complaint

__all__ = ["amazon_name", "amazon_status"]

_STATUSES: Final = {
    "throttlingexception": 429,
    "toomanyrequestsexception": 429,
    "servicequotaexceededexception": 429,  # 400: "You can resubmit your request later"
    "modelnotreadyexception": 503,  # 429, though nobody asked too often: the model is being loaded
    "serviceunavailableexception": 503,
    "serviceunavailable": 503,
    "modeltimeoutexception": 408,
    "internalserverexception": 500,
    "internalfailure": 500,
    "modelerrorexception": 500,  # 424: "due to an error while processing the model"
    "modelstreamerrorexception": 500,  # 424: "Retry your request"
    "validationexception": 400,
    "conflictexception": 400,
    "accessdeniedexception": 403,
    "resourcenotfoundexception": 404,
    # 403, or 400 for the oldest of them: the key is wrong, not its rights
    "expiredtoken": 401,
    "expiredtokenexception": 401,
    "unrecognizedclientexception": 401,
    "invalidclienttokenid": 401,
    "invalidsignatureexception": 401,
    "signaturedoesnotmatch": 401,
    "incompletesignature": 401,
    "incompletesignatureexception": 401,
    "missingauthenticationtoken": 401,
    "missingauthenticationtokenexception": 401,
}

_OF_MODELS: Final = frozenset({"modelerrorexception", "modelstreamerrorexception"})
_PASSING: Final = frozenset({408, 424, 429})


def amazon_name(text: str) -> str:
    """Return the name of an exception, without the URL behind it (record 0d4f0ebb7f0b) or the namespace before it."""
    return text.partition(":")[0].rpartition("#")[2].strip()


def amazon_status(told: Complaint) -> int | None:
    """Return the status that says what an exception means; None if it is not one of AWS's."""
    name = (told.type or "").lower()
    if name in _OF_MODELS and told.status is not None and told.status < 500 and told.status not in _PASSING:
        return told.status  # `originalStatusCode`: the model refused the request, and will again
    return _STATUSES.get(name)

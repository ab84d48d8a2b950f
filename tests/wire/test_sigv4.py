"""AWS signatures against the values that AWS publishes, and against botocore where it is installed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aiclient.request import HTTPCall
from aiclient.secrets import SecretStr
from aiclient.wire.sigv4 import AWSCredentials, signed

# The keys of AWS's own published test suite.
KEY = AWSCredentials("AKIDEXAMPLE", SecretStr("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))
MOMENT = datetime(2015, 8, 30, 12, 36, 0, tzinfo=UTC)


def signature(call, credentials=KEY, **scope):
    scope = {"region": "us-east-1", "service": "service", "moment": MOMENT, **scope}
    return dict(signed(call, credentials, **scope).headers)["Authorization"]


def test_the_published_vanilla_get_is_signed_as_published():
    assert signature(HTTPCall("GET", "https://example.amazonaws.com/")) == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, "
        "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    )


def test_the_published_query_order_is_signed_as_published():
    call = HTTPCall("GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1")
    assert signature(call).endswith("Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500")


def test_the_body_and_the_session_token_are_covered():
    call = HTTPCall("POST", "https://example.amazonaws.com/", body=b"{}")
    temporary = AWSCredentials("AKIDEXAMPLE", KEY.secret_access_key, SecretStr("token"))
    values = {signature(call), signature(HTTPCall("POST", call.url, body=b"[]")), signature(call, temporary)}
    assert len(values) == 3
    assert "host;x-amz-date;x-amz-security-token" in signature(call, temporary)


def test_nothing_of_the_secret_is_in_the_request():
    call = signed(HTTPCall("GET", "https://example.amazonaws.com/"), KEY, region="r", service="s", moment=MOMENT)
    assert KEY.secret_access_key.reveal() not in repr(call) + repr(call.headers) + repr(KEY)


@pytest.mark.parametrize(
    "url",
    [
        "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-v2%3A1/converse",
        "https://bedrock-runtime.us-east-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ax%2Fy/converse-stream",
        "https://bedrock.us-east-1.amazonaws.com/foundation-models?byProvider=a%20b&x=",
    ],
)
def test_it_signs_as_botocore_does(url):
    auth = pytest.importorskip("botocore.auth", reason="botocore is in the `oracles` extra")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    ours = signed(
        HTTPCall("POST", url, (("Content-Type", "application/json"),), b'{"a":1}'),
        AWSCredentials("AKID", SecretStr("secret"), SecretStr("token")),
        region="us-east-1",
        service="bedrock",
        moment=MOMENT,
    )
    stamp = MOMENT.strftime("%Y%m%dT%H%M%SZ")
    theirs = AWSRequest("POST", url, {"Content-Type": "application/json", "X-Amz-Date": stamp}, b'{"a":1}')
    theirs.context["timestamp"] = stamp
    signer = auth.SigV4Auth(Credentials("AKID", "secret", "token"), "bedrock", "us-east-1")
    theirs.headers["X-Amz-Security-Token"] = "token"
    text = signer.string_to_sign(theirs, signer.canonical_request(theirs))
    assert dict(ours.headers)["Authorization"].endswith(f"Signature={signer.signature(text, theirs)}")

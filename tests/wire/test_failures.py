import json

import pytest

from aiclient import errors
from aiclient.response import RateLimitInfo
from aiclient.wire.failures import failure, told_failure
from aiclient.wire.headers import HeaderFacts


def body(**fields):
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (402, "QuotaExceededError"),
        (403, "PermissionDeniedError"),
        (404, "ModelNotFoundError"),
        (405, "BadRequestError"),
        (408, "ServerError"),
        (409, "OverloadedError"),
        (413, "BadRequestError"),
        (415, "BadRequestError"),
        (422, "BadRequestError"),
        (425, "OverloadedError"),
        (429, "RateLimitError"),
        (500, "ServerError"),
        (502, "ServerError"),
        (503, "OverloadedError"),
        (504, "ServerError"),
        (529, "OverloadedError"),
        (599, "ServerError"),
        (99, "ProtocolError"),
        (600, "ProtocolError"),
    ],
)
def test_the_status_decides_when_nothing_else_does(status, name):
    error = failure(status, b"")
    assert type(error) is getattr(errors, name)
    assert error.status_code == status


@pytest.mark.parametrize(
    ("text", "message", "code"),
    [
        (b'{"error":{"message":"no","type":"t","code":"c","param":"p"}}', "no", "c"),
        (b'{"error":{"message":"no","type":"t","code":"404"}}', "no", "t"),
        (b'{"error":{"message":"no","code":404}}', "no", "404"),
        (b'{"type":"error","error":{"type":"t","message":"no"},"request_id":"r"}', "no", "t"),
        (b'{"message":"no"}', "no", None),
        (b'{"id":"1","message":"no"}', "no", None),
        (b'{"detail":"no"}', "no", None),
        (
            b'{"detail":[{"loc":["body"],"msg":"field required"},{"msg":"too short"}]}',
            "field required; too short",
            None,
        ),
        (b'{"error":"no"}', "no", None),
        (b'{"code":"c","error":"no"}', "no", "c"),
        (b'{"error":{"code":429,"message":"no","status":"RESOURCE_EXHAUSTED"}}', "no", "RESOURCE_EXHAUSTED"),
        (b'[{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT"}}]', "no", "INVALID_ARGUMENT"),
        (b'{"object":"error","message":"no","type":"BadRequestError","code":400}', "no", "BadRequestError"),
        (
            b'{"error":{"message":"no","code":502,"metadata":{"raw":"upstream is down"}}}',
            "no (upstream is down)",
            "502",
        ),
        (b'"no"', "no", None),
        (b"no healthy upstream", "no healthy upstream", None),
        (b'{"error":{"message":["no"],"code":{}}}', "no", None),
        (b'{"success":false,"errors":[{"code":5007,"message":"no"}],"result":null}', "no", "5007"),
        (b'{"errors":["no"]}', "no", None),
        (b'{"errors":[],"message":"no"}', "no", None),
        (b'{"error_code":"BAD_REQUEST","message":"no"}', "no", "BAD_REQUEST"),
        (b'{"error":[]}', "the service answered 418 and did not say why", None),
        (b"<html>Bad gateway</html>", "the service answered 418 and did not say why", None),
        (b"  \n", "the service answered 418 and did not say why", None),
        (b"null", "the service answered 418 and did not say why", None),
    ],
)
def test_any_known_shape_is_read(text, message, code):
    error = failure(418, text)
    assert (error.message, error.code) == (message, code)


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (400, {"code": "context_length_exceeded", "message": "x"}),
        (413, {"message": "prompt is too long: 250000 tokens > 200000 maximum"}),
        (500, {"message": "This model's maximum context length is 4096 tokens"}),
        (503, {"message": "the request exceeds the available context size"}),
        (400, {"type": "exceed_context_size_error", "message": "x"}),
        (400, {"message": "The input token count (9) exceeds the maximum number of tokens allowed (8)."}),
        (400, {"message": "Please reduce the length of the messages or completion."}),
    ],
)
def test_context_overflow_is_seen_before_the_status(status, fields):
    assert type(failure(status, body(error=fields))) is errors.ContextLengthError


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (429, {"code": "insufficient_quota", "message": "You exceeded your current quota"}),
        (429, {"type": "insufficient_quota", "message": "x"}),
        (429, {"message": "You exceeded your current quota, please check your plan"}),
        (400, {"message": "Your credit balance is too low to access the API"}),
        (400, {"message": "You have reached your usage limits. You will regain access on 2026-01-01"}),
        (402, {"message": "Insufficient Balance"}),
        (403, {"code": "billing_not_active", "message": "x"}),
    ],
)
def test_an_empty_account_is_seen_before_the_status(status, fields):
    assert type(failure(status, body(error=fields))) is errors.QuotaExceededError


@pytest.mark.parametrize(
    ("status", "fields", "name"),
    [
        (429, {"message": "You exceeded your current quota", "status": "RESOURCE_EXHAUSTED"}, "RateLimitError"),
        (429, {"message": "Request too large: maximum context length per minute"}, "RateLimitError"),
        (401, {"message": "Insufficient credits"}, "AuthenticationError"),
        (400, {"code": "content_filter", "message": "x"}, "ContentFilterError"),
        (
            400,
            {"code": "x", "message": "y", "innererror": {"code": "ResponsibleAIPolicyViolation"}},
            "ContentFilterError",
        ),
        (400, {"message": "triggering Azure OpenAI's content management policy"}, "ContentFilterError"),
        (400, {"message": "Model Not Exist", "code": "invalid_request_error"}, "ModelNotFoundError"),
        (400, {"message": "x", "code": "model_not_found"}, "ModelNotFoundError"),
        (403, {"message": "x", "code": "model_not_found"}, "PermissionDeniedError"),
    ],
)
def test_words_and_status_together_decide(status, fields, name):
    assert type(failure(status, body(error=fields))) is getattr(errors, name)


@pytest.mark.parametrize(
    ("value", "name", "status"),
    [
        ({"error": {"message": "m", "status_code": 400}}, "BadRequestError", 400),
        ({"error": {"message": "m", "code": 429}}, "RateLimitError", 429),
        ({"error": {"message": "m", "code": "529"}}, "OverloadedError", 529),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, "OverloadedError", None),
        ({"error": {"type": "rate_limit_error", "message": "m"}}, "RateLimitError", None),
        ({"error": {"type": "server_error", "code": "insufficient_quota", "message": "m"}}, "QuotaExceededError", None),
        ({"error": {"code": "context_length_exceeded", "message": "m"}}, "ContextLengthError", None),
        ({"error": {"message": "m"}}, "ServerError", None),
        ({"error": "m"}, "ServerError", None),
        ({"object": "error", "message": "m", "type": "BadRequestError", "code": 400}, "BadRequestError", 400),
    ],
)
def test_an_error_inside_a_200_decides_for_itself(value, name, status):
    error = told_failure(value)
    assert type(error) is getattr(errors, name)
    assert (error.message, error.status_code) == ("m", status)


def test_the_headers_facts_are_on_the_error():
    limits = RateLimitInfo(limit_requests=1)
    error = failure(429, b"", HeaderFacts("r", 3.0, limits, False))
    assert (error.request_id, error.retry_after, error.rate_limit, error.should_retry) == ("r", 3.0, limits, False)
    assert not error.retryable


def test_the_message_is_short_and_cannot_drive_a_terminal():
    error = failure(500, body(error={"message": "\x1b[31mred\nline\u202e" + "x" * 1000}))
    assert error.message.startswith("\\x1b[31mred\\nline\\u202exxx")
    assert error.message.isprintable()
    assert len(error.message) < 600


def test_awss_error_type_comes_from_the_header():
    error = failure(403, b'{"message":"m"}', headers={"x-amzn-errortype": "ExpiredTokenException:http://internal"})
    assert error.code == "ExpiredTokenException"


@pytest.mark.parametrize(
    ("location", "shown"),
    [("https://evil.example/x?key=1", "evil.example"), ("/login", "another path"), ("http://[", "another path")],
)
def test_a_redirect_names_the_host_alone(location, shown):
    error = failure(307, b"", headers={"location": location})
    assert (type(error), error.kind, error.status_code) == (errors.ProtocolError, "redirect", 307)
    assert shown in error.message
    assert "key=1" not in error.message


def test_an_unknown_success_is_not_http():
    assert failure(100, b"").kind == "http"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("server_error", "ServerError"),
        ("vector_store_timeout", "ServerError"),
        ("rate_limit_exceeded", "RateLimitError"),
        ("invalid_prompt", "BadRequestError"),
        ("image_too_large", "BadRequestError"),
        ("failed_to_download_image", "BadRequestError"),
        ("bio_policy", "ContentFilterError"),
        ("image_content_policy_violation", "ContentFilterError"),
        ("context_length_exceeded", "ContextLengthError"),
    ],
)
def test_the_code_of_a_failed_response_decides_its_class(code, name):
    assert type(told_failure({"error": {"code": code, "message": "x"}})) is getattr(errors, name)

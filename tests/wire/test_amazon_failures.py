"""AWS's exceptions: by the header of an answer, and by name inside a stream."""

import json

import pytest

from aiclient import errors
from aiclient.wire.failures import failure, told_failure


def answered(status, name, message="no", **fields):
    body = json.dumps({"message": message, **fields}).encode()
    return failure(status, body, headers={"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/com.amazon/"})


CLASSES = [
    (400, "ValidationException", "BadRequestError"),
    (400, "ServiceQuotaExceededException", "RateLimitError"),
    (403, "AccessDeniedException", "PermissionDeniedError"),
    (403, "ExpiredTokenException", "AuthenticationError"),
    (403, "UnrecognizedClientException", "AuthenticationError"),
    (403, "InvalidSignatureException", "AuthenticationError"),
    (404, "ResourceNotFoundException", "ModelNotFoundError"),
    (408, "ModelTimeoutException", "ServerError"),
    (424, "ModelErrorException", "ServerError"),
    (429, "ThrottlingException", "RateLimitError"),
    (429, "ModelNotReadyException", "OverloadedError"),
    (500, "InternalServerException", "ServerError"),
    (503, "ServiceUnavailableException", "OverloadedError"),
]


@pytest.mark.parametrize(("status", "name", "expected"), CLASSES, ids=lambda value: str(value))
def test_the_name_of_an_exception_decides_its_class(status, name, expected):
    error = answered(status, name)
    assert type(error) is getattr(errors, expected)
    assert (error.status_code, error.code, error.message) == (status, name, "no")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("throttlingException", "RateLimitError"),
        ("modelStreamErrorException", "ServerError"),
        ("internalServerException", "ServerError"),
        ("serviceUnavailableException", "OverloadedError"),
        ("validationException", "BadRequestError"),
        ("modelTimeoutException", "ServerError"),
        ("somethingNewException", "ServerError"),
    ],
)
def test_inside_a_stream_the_name_stands_alone(name, expected):
    error = told_failure({"type": name, "message": "no"})
    assert type(error) is getattr(errors, expected)
    assert (error.status_code, error.code) == (None, name)


@pytest.mark.parametrize(
    ("original", "expected"), [(400, "BadRequestError"), (429, "ServerError"), (500, "ServerError")]
)
def test_what_the_model_itself_answered_decides_whether_asking_again_helps(original, expected):
    error = told_failure({"type": "modelStreamErrorException", "message": "no", "originalStatusCode": original})
    assert type(error) is getattr(errors, expected)
    assert type(answered(424, "ModelErrorException", originalStatusCode=original)) is getattr(errors, expected)


@pytest.mark.parametrize(
    "text",
    [
        "Input is too long for requested model.",
        "The model returned the following errors: prompt is too long: 213462 tokens > 200000 maximum",
        "The model returned the following errors: input length and `max_tokens` exceed context limit: 199000 + 4096 > 200000",
        "The model returned the following errors: Input Tokens Exceeded: Number of input tokens exceeds maximum length.",
        "Too many input tokens. Max input tokens: 8192, request input token count: 9000 ",
        "This model's maximum context length is 128000 tokens. Please reduce the length of the prompt",
    ],
)
def test_a_prompt_that_does_not_fit_is_told_apart_from_other_refusals(text):
    assert type(answered(400, "ValidationException", text)) is errors.ContextLengthError
    assert type(told_failure({"type": "validationException", "message": text})) is errors.ContextLengthError


def test_a_days_tokens_are_a_quota():
    error = answered(429, "ThrottlingException", "Too many tokens per day, please wait before trying again.")
    assert type(error) is errors.QuotaExceededError


def test_a_model_that_is_not_there_is_not_found_whatever_the_status():
    error = answered(400, "ValidationException", "The provided model identifier is invalid.")
    assert type(error) is errors.ModelNotFoundError


@pytest.mark.parametrize(
    "text",
    [
        "The security token included in the request is expired",
        "Authentication failed: Please make sure your API Key is valid.",
        "Bearer Token has expired",
    ],
)
def test_a_wrong_key_is_told_by_its_words_where_no_header_names_it(text):
    """Recorders keep few headers, and Bedrock's API keys are refused with AccessDeniedException."""
    assert type(failure(403, json.dumps({"Message": text}).encode())) is errors.AuthenticationError
    assert type(answered(403, "AccessDeniedException", text)) is errors.AuthenticationError


def test_a_name_in_the_body_loses_its_namespace():
    error = failure(400, b'{"__type":"com.amazon.coral.service#ThrottlingException","message":"slow down"}')
    assert type(error) is errors.RateLimitError
    assert error.code == "ThrottlingException"

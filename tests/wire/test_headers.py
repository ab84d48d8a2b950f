import pytest

from aiclient.response import RateLimitInfo
from aiclient.wire.headers import NO_FACTS, facts


def of(headers, status=429, now=0.0):
    return facts(headers, status=status, now=now)


def test_nothing_is_known_of_no_headers():
    assert of({}) == NO_FACTS


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "0", "retry-after": "1"}, 0.0),
        ({"retry-after-ms": "soon", "retry-after": "1"}, 1.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:02:00 GMT"}, 60.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:02:00 GMT", "date": "Thu, 01 Jan 1970 00:01:50 GMT"}, 10.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:30 GMT"}, None),
        ({"retry-after": "Thu, 99 Jan 1970"}, None),
    ],
)
def test_retry_after_is_read(headers, expected):
    assert of(headers, now=60.0).retry_after == expected


@pytest.mark.parametrize("text", ["-5", "abc", "nan", "inf", "-inf", "1e400", "", "5 seconds", "٣x"])
def test_nonsense_in_retry_after_counts_as_absent(text):
    assert of({"retry-after": text}).retry_after is None


@pytest.mark.parametrize("status", [200, 204, 302])
def test_retry_after_counts_on_failures_only(status):
    assert of({"retry-after": "3", "x-should-retry": "true"}, status=status) == NO_FACTS


@pytest.mark.parametrize(
    ("text", "expected"), [("true", True), ("false", False), ("True", True), ("maybe", None), ("", None)]
)
def test_the_services_word_on_retrying_is_read(text, expected):
    assert of({"x-should-retry": text}).should_retry is expected


@pytest.mark.parametrize(
    "name", ["x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "mistral-correlation-id", "cf-ray"]
)
def test_the_request_id_is_found(name):
    assert of({name: "abc"}, status=200).request_id == "abc"


def test_the_vendors_request_id_comes_before_the_proxys():
    assert of({"cf-ray": "proxy", "x-request-id": "vendor"}).request_id == "vendor"


def openai(**values):
    return {f"x-ratelimit-{name.replace('_', '-')}": value for name, value in values.items()}


def test_openai_limits_are_read():
    headers = openai(
        limit_requests="500",
        remaining_requests="499",
        reset_requests="120ms",
        limit_tokens="30000",
        remaining_tokens="29000",
    )
    assert of({**headers, "x-ratelimit-reset-tokens": "6m0s"}, status=200).rate_limit == RateLimitInfo(
        limit_requests=500,
        remaining_requests=499,
        reset_requests=pytest.approx(0.12),
        limit_tokens=30000,
        remaining_tokens=29000,
        reset_tokens=360.0,
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("20ms", 0.02),
        ("6m0s", 360.0),
        ("2m59.56s", 179.56),
        ("1h1m1s", 3661.0),
        ("1d2h", 93600.0),
        ("10", 10.0),
        ("soon", None),
        ("-1s", None),
        ("1741305600000", None),
        ("1970-01-01T00:00:00Z", None),
        ("2099-01-01T00:00:00", None),
    ],
)
def test_durations_are_read(text, seconds):
    headers = openai(remaining_requests="1", reset_requests=text)
    found = of(headers, now=1e9).rate_limit
    assert found.reset_requests == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("limit", "remaining", "expected"),
    [("-1", "5", (None, 5)), ("10", "-3", (10, None)), ("x", "3", (None, 3)), ("nan", "3", (None, 3))],
)
def test_absurd_limits_are_ignored(limit, remaining, expected):
    found = of(openai(limit_requests=limit, remaining_requests=remaining)).rate_limit
    assert (found.limit_requests, found.remaining_requests) == expected


def test_limits_without_one_sensible_value_are_none():
    assert of(openai(limit_requests="1", remaining_requests="2")).rate_limit is None


def test_anthropic_limits_are_read_against_the_services_clock():
    headers = {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "1970-01-01T00:01:30Z",
        "anthropic-ratelimit-tokens-remaining": "1000",
        "anthropic-ratelimit-tokens-reset": "1970-01-01T00:00:59Z",
        "date": "Thu, 01 Jan 1970 00:01:00 GMT",
    }
    found = of(headers, now=5e8).rate_limit
    assert (found.limit_requests, found.remaining_requests, found.reset_requests) == (50, 49, 30.0)
    assert (found.limit_tokens, found.remaining_tokens, found.reset_tokens) == (None, 1000, 0.0)

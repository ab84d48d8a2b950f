"""Google's errors: canonical codes, and what their details add."""

from __future__ import annotations

import json

from aiclient import errors
from aiclient.wire.failures import failure, told_failure
from aiclient.wire.headers import HeaderFacts


def googles(*details, code=429, status="RESOURCE_EXHAUSTED"):
    error = {"code": code, "message": "m", "status": status, "details": [*details, None, {"violations": [3]}]}
    return json.dumps({"error": error}).encode()


def test_googles_waiting_time_comes_from_the_body_unless_a_header_says_it():
    text = googles({"retryDelay": "48.5s"})
    assert failure(429, text).retry_after == 48.5
    assert failure(429, text, HeaderFacts("r", 3.0, None, None)).retry_after == 3.0
    assert failure(429, googles({"retryDelay": "soon"})).retry_after is None


def test_googles_limit_per_day_is_a_quota_and_its_limit_per_minute_is_not():
    day, minute = ({"violations": [{"quotaId": f"GenerateRequestsPer{span}PerProject"}]} for span in ("Day", "Minute"))
    assert type(failure(429, googles(day))) is errors.QuotaExceededError
    assert type(failure(429, googles(minute))) is errors.RateLimitError


def test_google_calls_a_wrong_key_an_invalid_argument():
    error = failure(400, googles({"reason": "API_KEY_INVALID"}, code=400, status="INVALID_ARGUMENT"))
    assert type(error) is errors.AuthenticationError
    assert (error.status_code, error.code) == (400, "INVALID_ARGUMENT")


def test_googles_word_for_a_status_counts_where_no_number_stands():
    assert type(told_failure({"error": {"status": "UNAVAILABLE", "message": "m"}})) is errors.OverloadedError

"""The tree of errors and the one outcome table, row by row."""

from __future__ import annotations

import asyncio
import builtins
import pickle
from typing import get_args

import pytest

from aiclient import errors
from aiclient.errors import (
    PROTOCOL_KINDS,
    AIClientDeprecationWarning,
    AIClientError,
    AIClientWarning,
    AllProvidersFailedError,
    AuthenticationError,
    BadRequestError,
    BudgetExceededError,
    Category,
    CircuitOpenError,
    ClientClosedError,
    ConfigError,
    ConnectError,
    ContentFilterError,
    ContextLengthError,
    DryRunStop,
    EmptyMessagesError,
    InvalidMessageError,
    InvalidModelError,
    InvalidProviderError,
    InvalidRequestError,
    MediaError,
    MissingAPIKeyError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProtocolError,
    ProviderError,
    QuotaExceededError,
    RateLimitError,
    ResponseValidationError,
    ServerError,
    StoreError,
    StreamClosedError,
    StreamInterruptedError,
    TimeoutError,
    ToolArgumentsError,
    UnsupportedFeatureError,
    outcome,
)
from aiclient.messages import Message
from aiclient.response import Attempt, ChatResponse, RateLimitInfo

EVERY = sorted(
    (value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, AIClientError)),
    key=lambda cls: cls.__name__,
)

YES, NO = True, False
FAIL, NEUTRAL = "failure", "neutral"

# error, category, retryable, breaker, falls over
TABLE = [
    (AuthenticationError(status_code=401), "authentication", NO, NEUTRAL, NO),
    (PermissionDeniedError(status_code=403), "permission", NO, NEUTRAL, NO),
    (ModelNotFoundError(status_code=404), "not_found", NO, NEUTRAL, YES),
    (BadRequestError(status_code=400), "bad_request", NO, NEUTRAL, NO),
    (ContextLengthError(status_code=400), "context_length", NO, NEUTRAL, NO),
    (ContentFilterError(status_code=400), "content_filter", NO, NEUTRAL, NO),
    (RateLimitError(status_code=429), "rate_limit", YES, NEUTRAL, YES),
    (RateLimitError(kind="local"), "rate_limit", NO, NEUTRAL, YES),
    (QuotaExceededError(status_code=429), "quota", NO, NEUTRAL, YES),
    (OverloadedError(status_code=503), "overloaded", YES, FAIL, YES),
    (OverloadedError(status_code=529), "overloaded", YES, FAIL, YES),
    (OverloadedError(status_code=409), "overloaded", YES, NEUTRAL, YES),
    (OverloadedError(status_code=425), "overloaded", YES, NEUTRAL, YES),
    (ServerError(status_code=500), "server", YES, FAIL, YES),
    (ServerError(status_code=408), "server", YES, FAIL, YES),
    (ServerError(), "server", YES, FAIL, YES),
    (ProviderError(), "other", NO, NEUTRAL, NO),
    (ProtocolError(), "protocol", NO, FAIL, YES),
    (ProtocolError(kind="a word of tomorrow"), "protocol", NO, FAIL, YES),
    (ProtocolError(kind="empty"), "protocol", YES, FAIL, YES),
    (ProtocolError(kind="incomplete"), "protocol", YES, FAIL, YES),
    (ProtocolError(kind="decode"), "protocol", YES, FAIL, YES),
    (ProtocolError(kind="depth"), "protocol", NO, FAIL, YES),
    (ProtocolError(kind="schema"), "protocol", NO, FAIL, YES),
    (ProtocolError(kind="too_large"), "protocol", NO, FAIL, YES),
    (ProtocolError(kind="content_type"), "protocol", NO, FAIL, YES),
    (ProtocolError(kind="state"), "protocol", NO, FAIL, YES),
    (ProtocolError(kind="http"), "protocol", NO, FAIL, YES),
    (ProtocolError(kind="redirect"), "protocol", NO, NEUTRAL, YES),
    (ConnectError(), "connection", YES, FAIL, YES),
    (ConnectError(kind="dns"), "connection", YES, FAIL, YES),
    (ConnectError(kind="refused"), "connection", YES, FAIL, YES),
    (ConnectError(kind="reset"), "connection", YES, FAIL, YES),
    (ConnectError(kind="tls_eof"), "connection", YES, FAIL, YES),
    (ConnectError(kind="proxy"), "connection", YES, FAIL, YES),
    (ConnectError(kind="tls"), "connection", NO, FAIL, YES),
    (ConnectError(kind="fd"), "connection", NO, NEUTRAL, NO),
    (TimeoutError(), "timeout", YES, FAIL, YES),
    (TimeoutError(phase="pool"), "timeout", NO, NEUTRAL, YES),
    (TimeoutError(phase="connect"), "timeout", YES, FAIL, YES),
    (TimeoutError(phase="tls"), "timeout", YES, FAIL, YES),
    (TimeoutError(phase="first_output"), "timeout", YES, FAIL, YES),
    (TimeoutError(phase="idle"), "timeout", YES, FAIL, YES),
    (TimeoutError(phase="attempt"), "timeout", YES, FAIL, YES),
    (TimeoutError(phase="attempt", kind="short_deadline"), "timeout", YES, NEUTRAL, YES),
    (TimeoutError(phase="total"), "timeout", NO, FAIL, NO),
    (TimeoutError(phase="total", kind="short_deadline"), "timeout", NO, NEUTRAL, NO),
    (StreamInterruptedError(), "protocol", NO, FAIL, NO),
    (StreamInterruptedError(kind="nobody's word"), "protocol", NO, FAIL, NO),
    (StreamInterruptedError(kind="protocol"), "protocol", NO, FAIL, NO),
    (StreamInterruptedError(kind="timeout"), "timeout", NO, FAIL, NO),
    (StreamInterruptedError(kind="connection"), "connection", NO, FAIL, NO),
    (StreamInterruptedError(kind="overloaded"), "overloaded", NO, FAIL, NO),
    (StreamInterruptedError(kind="server"), "server", NO, FAIL, NO),
    (StreamInterruptedError(kind="rate_limit"), "rate_limit", NO, NEUTRAL, NO),
    (StreamInterruptedError(kind="content_filter"), "content_filter", NO, NEUTRAL, NO),
    (UnsupportedFeatureError(), "bad_request", NO, NEUTRAL, YES),
    (InvalidRequestError(), "bad_request", NO, NEUTRAL, NO),
    (EmptyMessagesError(), "bad_request", NO, NEUTRAL, NO),
    (InvalidMessageError(), "bad_request", NO, NEUTRAL, NO),
    (MediaError(), "bad_request", NO, NEUTRAL, NO),
    (InvalidModelError(), "bad_request", NO, NEUTRAL, NO),
    (ConfigError(), "config", NO, NEUTRAL, NO),
    (InvalidProviderError(), "config", NO, NEUTRAL, NO),
    (MissingAPIKeyError(), "config", NO, NEUTRAL, NO),
    (CircuitOpenError(), "policy", NO, NEUTRAL, YES),
    (BudgetExceededError(), "policy", NO, NEUTRAL, NO),
    (ResponseValidationError(), "policy", NO, NEUTRAL, NO),
    (ToolArgumentsError(), "policy", NO, NEUTRAL, NO),
    (ClientClosedError(), "policy", NO, NEUTRAL, NO),
    (DryRunStop(), "policy", NO, NEUTRAL, NO),
    (StreamClosedError(), "other", NO, NEUTRAL, NO),
    (StoreError(), "other", NO, NEUTRAL, NO),
    (AIClientError(), "other", NO, NEUTRAL, NO),
    (AllProvidersFailedError(), "other", NO, NEUTRAL, NO),
    (AllProvidersFailedError(errors=[ServerError(), AuthenticationError()]), "server", YES, FAIL, YES),
    (AllProvidersFailedError(errors=[AuthenticationError(), ServerError()]), "authentication", NO, NEUTRAL, NO),
    (AllProvidersFailedError(errors=[AllProvidersFailedError(errors=[ServerError()])]), "server", YES, FAIL, YES),
    (ValueError("a bug"), "other", NO, NEUTRAL, NO),
    (asyncio.CancelledError(), "other", NO, NEUTRAL, NO),
    (builtins.TimeoutError(), "other", NO, NEUTRAL, NO),
    (KeyboardInterrupt(), "other", NO, NEUTRAL, NO),
]


def row_id(row):
    error = row[0]
    fields = [getattr(error, name, None) for name in ("phase", "kind", "status_code")]
    return "-".join([type(error).__name__, *(str(value) for value in fields if value is not None)])


@pytest.mark.parametrize(("error", "category", "retryable", "breaker", "falls_over"), TABLE, ids=map(row_id, TABLE))
def test_every_row_of_the_outcome_table(error, category, retryable, breaker, falls_over):
    assert outcome(error) == (category, retryable, breaker, falls_over)


@pytest.mark.parametrize("cls", EVERY, ids=lambda cls: cls.__name__)
def test_the_table_of_this_test_names_every_class(cls):
    assert cls in {type(row[0]) for row in TABLE}


def test_the_table_of_this_test_names_every_kind_of_protocol_error():
    assert set(PROTOCOL_KINDS) <= {row[0].kind for row in TABLE if isinstance(row[0], ProtocolError)}


def test_the_table_of_this_test_names_every_phase_and_category():
    assert {row[0].phase for row in TABLE if isinstance(row[0], TimeoutError)} == {None, *get_args(errors.Phase)}
    assert {row[1] for row in TABLE} == set(get_args(Category))


@pytest.mark.parametrize("said", [True, False])
@pytest.mark.parametrize("cls", [ServerError, BadRequestError, OverloadedError, ProtocolError])
def test_the_service_s_own_word_on_retrying_wins(cls, said):
    plain, told = outcome(cls()), outcome(cls(should_retry=said))
    assert told == plain._replace(retryable=said)


def test_a_local_refusal_is_not_retried_whatever_the_service_said():
    assert not RateLimitError(kind="local", should_retry=True).retryable


def test_should_retry_means_nothing_to_errors_that_no_service_sent():
    assert not ConfigError(should_retry=True).retryable


def test_a_subclass_of_another_package_is_judged_by_its_nearest_ancestor():
    class Mine(ContextLengthError):
        pass

    assert outcome(Mine()).category == "context_length"


def test_category_and_retryable_read_the_table():
    error = RateLimitError()
    assert (error.category, error.retryable) == ("rate_limit", True)


@pytest.mark.parametrize(
    ("cls", "base"),
    [
        (TimeoutError, builtins.TimeoutError),
        (ConnectError, builtins.ConnectionError),
        (ConfigError, ValueError),
        (InvalidRequestError, ValueError),
        (AIClientWarning, UserWarning),
        (AIClientDeprecationWarning, AIClientWarning),
    ],
)
def test_errors_are_also_what_python_calls_them(cls, base):
    assert issubclass(cls, base)


def full(cls):
    """Make an error with every field set to something that is not its default."""
    special = {
        AllProvidersFailedError: {"errors": [ServerError("first", status_code=500), RateLimitError("second")]},
        DryRunStop: {"report": {"url": "https://api.test"}},
    }
    return cls(
        "what happened",
        provider="a",
        model="m",
        status_code=418,
        code="teapot",
        kind="short",
        phase="idle",
        request_id="r1",
        retry_after=1.5,
        attempts=[Attempt(number=1, provider="a", outcome="failed", category="server")],
        partial=ChatResponse(Message("assistant", "so far")),
        rate_limit=RateLimitInfo(limit_requests=3),
        should_retry=False,
        **special.get(cls, {}),
    )


@pytest.mark.parametrize("cls", EVERY, ids=lambda cls: cls.__name__)
def test_an_error_survives_pickling_with_all_its_fields(cls):
    error = full(cls)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert str(copy) == "what happened" == copy.message
    plain = {name: value for name, value in vars(error).items() if name != "errors"}
    assert plain == {name: value for name, value in vars(copy).items() if name != "errors"}
    assert [(type(e), str(e)) for e in getattr(copy, "errors", ())] == [
        (type(e), str(e)) for e in getattr(error, "errors", ())
    ]
    assert outcome(copy) == outcome(error)


@pytest.mark.parametrize("cls", EVERY, ids=lambda cls: cls.__name__)
def test_an_error_needs_no_argument(cls):
    error = cls()
    assert str(error) == "" and error.attempts == () and error.partial is None and error.retry_after is None


def test_attempts_and_errors_are_kept_as_tuples():
    error = AllProvidersFailedError(errors=iter([ServerError()]), attempts=iter([Attempt(number=1, provider="a")]))
    assert isinstance(error.errors, tuple) and isinstance(error.attempts, tuple)


def test_all_names_every_public_class_of_the_module():
    others = {"AIClientWarning", "AIClientDeprecationWarning", "Verdict", "outcome", "Category", "Phase"}
    assert set(errors.__all__) == {cls.__name__ for cls in EVERY} | others
    assert errors.__all__ == sorted(errors.__all__)

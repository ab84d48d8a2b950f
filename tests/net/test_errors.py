"""What an HTTP library raises is told apart by names and causes, whoever's family it is."""

import errno
import socket
import ssl

import httpx
import pytest

from aiclient import errors
from aiclient.net.errors import meaning, unanswered


def caused(error, *causes):
    """Chain the errors as `raise ... from ...` does."""
    link = error
    for cause in causes:
        link.__cause__ = cause
        link = cause
    return error


def strange(name, *bases, module="httpx2"):
    """An exception class of a library that is not installed."""
    return type(name, bases or (Exception,), {"__module__": module})


REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
NO_FILES = OSError(errno.EMFILE, "Too many open files")
END_OF_STREAM = strange("EndOfStream", module="anyio")


@pytest.mark.parametrize(
    ("causes", "kind"),
    [
        pytest.param([REFUSED], "refused", id="refused"),
        pytest.param([OSError("All connection attempts failed"), REFUSED], "refused", id="refused within"),
        pytest.param(
            [OSError("failed"), ExceptionGroup("all", [OSError(errno.EHOSTUNREACH, "x"), REFUSED])],
            "refused",
            id="group",
        ),
        pytest.param([socket.gaierror(socket.EAI_NONAME, "x")], "dns", id="dns"),
        pytest.param([OSError("failed"), ExceptionGroup("all", [REFUSED, NO_FILES])], "fd", id="fd"),
        pytest.param([ssl.SSLCertVerificationError(1, "x")], "tls", id="certificate"),
        pytest.param([ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")], "tls", id="tls"),
        pytest.param([ssl.SSLEOFError(8, "EOF occurred")], "tls_eof", id="tls eof"),
        pytest.param([END_OF_STREAM()], "tls_eof", id="end of stream"),
        pytest.param([strange("BrokenResourceError", module="anyio")(), ConnectionResetError()], "reset", id="reset"),
        pytest.param([], "refused", id="no reason given"),
    ],
)
def test_a_failed_connection_says_why(causes, kind):
    error = meaning(caused(httpx.ConnectError("x"), *causes), "api.example.org", answering=False)
    assert isinstance(error, errors.ConnectError)
    assert error.kind == kind
    assert "api.example.org" in str(error)


def test_a_connection_that_the_system_gave_up_on_is_a_timeout():
    error = meaning(caused(httpx.ConnectError("x"), TimeoutError(errno.ETIMEDOUT, "x")), "h", answering=False)
    assert (type(error), error.phase) == (errors.TimeoutError, "connect")


def test_a_lost_connection_is_a_reset_whatever_the_system_calls_it():
    error = meaning(caused(httpx.ReadError("x"), TimeoutError(errno.ETIMEDOUT, "x")), "h", answering=True)
    assert (type(error), error.kind) == (errors.ConnectError, "reset")


@pytest.mark.parametrize(
    ("raw", "answering", "kind"),
    [
        (ConnectionResetError(), True, "reset"),
        (ssl.SSLError(1, "bad record mac"), True, "reset"),
        (REFUSED, False, "refused"),
    ],
)
def test_errors_of_the_system_that_pass_the_library_by_are_known(raw, answering, kind):
    assert meaning(raw, "h", answering=answering).kind == kind


@pytest.mark.parametrize(
    ("name", "answering", "phase"),
    [
        ("ConnectTimeout", False, "connect"),
        ("PoolTimeout", False, "pool"),
        ("ReadTimeout", False, "first_output"),
        ("ReadTimeout", True, "idle"),
        ("WriteTimeout", False, "first_output"),
    ],
)
def test_timeouts_of_another_family_are_known_by_name(name, answering, phase):
    base = strange("TimeoutException", strange("TransportError"))
    error = meaning(strange(name, base)("text that may hold a key"), "h", answering=answering)
    assert (type(error), error.phase) == (errors.TimeoutError, phase)
    assert "key" not in str(error)


def test_a_connection_that_aiohttp_lost_is_no_timeout():
    lost = strange("ServerDisconnectedError", strange("ClientConnectionError", module="aiohttp"), module="aiohttp")
    error = meaning(caused(httpx.ConnectTimeout("x"), lost()), "h", answering=False)
    assert (type(error), error.kind) == (errors.ConnectError, "reset")


def test_what_httpx_aiohttp_lets_through_is_known():
    bare = strange("ClientResponseError", strange("ClientError", module="aiohttp"), module="aiohttp")
    assert meaning(bare("url='http://h/?key=sk-secret'"), "h", answering=False).kind == "http"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Server disconnected without sending a response.", "reset"),
        ("peer closed connection without sending complete message body (received 3 bytes, expected 7)", "incomplete"),
        ("peer closed connection without sending complete message body (incomplete chunked read)", "incomplete"),
        ("Receive buffer too long", "too_large"),
        ("illegal status line: bytearray(b'sk-secret')", "http"),
    ],
)
def test_broken_answers_are_told_apart_and_not_quoted(text, kind):
    error = meaning(httpx.RemoteProtocolError(text), "h", answering=False)
    assert error.kind == kind
    assert "sk-secret" not in str(error)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (httpx.LocalProtocolError("Illegal header value b'sk-secret'"), errors.InvalidRequestError),
        (httpx.UnsupportedProtocol("x"), errors.ConfigError),
        (httpx.InvalidURL("x"), errors.ConfigError),
        (RuntimeError("Cannot send a request, as the client has been closed."), errors.ClientClosedError),
    ],
)
def test_what_is_our_own_fault_is_said_so(raised, kind):
    error = meaning(raised, "h", answering=False)
    assert isinstance(error, kind)
    assert "sk-secret" not in str(error)


@pytest.mark.parametrize("bug", [ValueError("x"), RuntimeError("x"), KeyError("x"), AssertionError()], ids=repr)
def test_a_bug_has_no_meaning(bug):
    assert meaning(bug, "h", answering=False) is None


def test_an_error_of_ours_means_itself():
    error = errors.RateLimitError("x")
    assert meaning(error, "h", answering=True) is error


def test_what_the_caller_was_handling_is_no_cause():
    error = caused(httpx.ConnectError("x"), OSError("All connection attempts failed"), ConnectionRefusedError())
    error.__cause__.__cause__.__context__ = ssl.SSLCertVerificationError(1, "of another call")
    assert meaning(error, "h", answering=False).kind == "refused"


def test_a_cause_that_httpcore_hid_is_found():
    error = caused(httpx.ConnectError("x"), strange("ConnectError", module="httpcore")())
    error.__cause__.__context__ = ssl.SSLCertVerificationError(1, "raised `from None`, as its pool does")
    assert meaning(error, "h", answering=False).kind == "tls"


@pytest.mark.parametrize(
    ("error", "whether"),
    [
        (httpx.ReadError("x"), True),
        (httpx.WriteError("x"), True),
        (httpx.RemoteProtocolError("Server disconnected without sending a response."), True),
        (httpx.RemoteProtocolError("illegal status line"), False),
        (httpx.ConnectError("x"), False),
        (httpx.ReadTimeout("x"), False),
        (ValueError("x"), False),
    ],
    ids=repr,
)
def test_only_a_connection_that_ended_in_silence_is_unanswered(error, whether):
    assert unanswered(error) is whether

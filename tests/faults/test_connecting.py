"""A and B: the way to the service."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from aiclient.context import Timeouts
from aiclient.errors import ConnectError, ProtocolError, StreamInterruptedError, TimeoutError
from aiclient.testutil.server import Fault

from .peers import EVENTS, Deaf, Nobody, Played, hanging_up, mute
from .rows import Row, every, meet

pytestmark = pytest.mark.anyio

AUTHORITY = trustme.CA()
PAST = datetime(2020, 1, 1, tzinfo=UTC)


def trusting():
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


def secured(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def over_tls(*faults, certificate=None):
    return Played(*faults, ssl=secured(certificate or AUTHORITY.issue_cert("127.0.0.1")))


def never_seen(number, name, certificate):
    peer = lambda _: over_tls(certificate=certificate())
    return Row(
        number=number, name=name, peer=peer, verify=trusting, error=ConnectError, kind="tls", sent=0, breaker="failure"
    )


ROWS = [
    Row(
        number=3,
        name="connection refused",
        peer=lambda _: Nobody(),
        error=ConnectError,
        kind="refused",
        category="connection",
        tries=3,
        sent=0,
        breaker="failure",
    ),
    Row(
        number=4,
        name="SYN black hole",
        peer=lambda _: Deaf(),
        timeouts=Timeouts(connect=0.03),
        error=TimeoutError,
        phase="connect",
        tries=3,
        sent=0,
        breaker="failure",
    ),
    never_seen(12, "certificate of nobody we know", lambda: trustme.CA().issue_cert("127.0.0.1")),
    never_seen(12, "certificate of another host", lambda: AUTHORITY.issue_cert("example.org")),
    never_seen(
        12,
        "certificate expired",
        lambda: AUTHORITY.issue_cert("127.0.0.1", not_before=PAST, not_after=PAST + timedelta(days=1)),
    ),
    Row(
        number=13,
        name="TLS handshake stalls",
        peer=lambda _: mute(scheme="https"),
        advance=5.0,
        error=TimeoutError,
        phase="tls",
        category="timeout",
        tries=3,
        breaker="failure",
    ),
    Row(
        number=14,
        name="server closes in the TLS handshake",
        peer=lambda _: hanging_up(scheme="https"),
        error=ConnectError,
        kind="tls_eof",
        tries=3,
        sent=0,
        breaker="failure",
    ),
    Row(
        number=17,
        name="TLS ends without goodbye in the body",
        peer=lambda wire: over_tls(Fault(body=wire.whole, cut_after=30)),
        verify=trusting,
        error=ProtocolError,
        kind="incomplete",
        tries=3,
        breaker="failure",
    ),
    Row(
        number=17,
        name="TLS ends without goodbye after output",
        peer=lambda wire: over_tls(Fault(body=wire.stream, cut_after=len(wire.preamble + wire.first), headers=EVENTS)),
        verify=trusting,
        paths=("stream",),
        error=StreamInterruptedError,
        kind="protocol",
        cause=ProtocolError,
        breaker="failure",
    ),
]


@every(ROWS)
async def test_what_fails_on_the_way_is_typed_judged_and_let_go_of(row, path, wire):
    await meet(row, path, wire)

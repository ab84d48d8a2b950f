"""One connection of the loopback server: reads requests, plays answers and faults, and ends as it was told to."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from typing import Protocol

from ._exchange import Answer, RecordedRequest, error_answer
from ._http1 import MAX_BODY, MAX_HEAD, RefusedRequestError, RequestReader
from .faults import Fault

__all__ = ["Connection", "Service"]

GARBAGE = b"\x00\xffthis is not HTTP\x00\r\n\r\n"

LINGER = 1.0
"""Seconds that a refused client has to read why: closed at once, its own unread bytes would reset the connection."""

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of zero seconds, which makes closing a socket a TCP reset."""

logger = logging.getLogger(__name__)


class Service(Protocol):
    """What a connection asks of the server it belongs to. All calls come from the server's own thread."""

    def opened(self, connection: Connection) -> int:
        """Note a new connection and return its id."""
        ...

    def closed(self, connection: Connection) -> None:
        """Note that a connection is gone."""
        ...

    def receive(self, request: RecordedRequest) -> tuple[Answer, Fault | None]:
        """Record a request; return its answer and what is to go wrong with it."""
        ...

    def request_id(self) -> bytes:
        """Return a new id for the request."""
        ...


class Connection(asyncio.Protocol):
    """Requests of one client, answered one after the other."""

    _transport: asyncio.Transport
    _reader: RequestReader
    _writable: asyncio.Event

    def __init__(self, service: Service) -> None:
        self._service = service
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None  # the answer being played over time, if any
        self._lingering: asyncio.TimerHandle | None = None  # set once a request was refused
        self._told_to_continue = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._writable = asyncio.Event()
        self._writable.set()
        # "writable" is to mean "all has left"; asyncio pauses a plain transport above its limit, a TLS one at it
        transport.set_write_buffer_limits(high=1 if transport.get_extra_info("sslcontext") else 0)
        self._reader = RequestReader(connection_id=self._service.opened(self))

    def connection_lost(self, exc: Exception | None) -> None:  # why it was lost does not matter here
        """Drop the answer being played: nobody reads it any more."""
        if self._task is not None:
            self._task.cancel()
        if self._lingering is not None:
            self._lingering.cancel()
        self._service.closed(self)

    def pause_writing(self) -> None:
        """Note that the client reads slower than the answer is written."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Note that everything written has left."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Take in bytes and answer what they complete."""
        if self._lingering is not None:
            return
        self._reader.feed(data)
        if self._task is None:
            self._advance()
        elif self._reader.buffered > MAX_HEAD + MAX_BODY:
            self.abort()  # it floods us while it should be reading its answer

    def abort(self) -> None:
        """Close at once; what has not left yet is lost."""
        self._transport.abort()

    def _advance(self) -> None:
        """Answer the whole requests that have arrived, up to one whose answer takes time."""
        try:
            while self._task is None and not self._transport.is_closing():
                request = self._reader.next_request()
                if request is None:
                    break
                self._told_to_continue = False
                self._answer(request)
        except RefusedRequestError as error:
            self._refuse(error)
        else:
            self._tell_to_continue()

    def _answer(self, request: RecordedRequest) -> None:
        answer, fault = self._service.receive(request)
        if fault is not None:
            answer = fault.reshape(answer)
        goodbye = "close" in (request.headers.get("connection"), answer.headers.get("connection"))
        head = self._head(answer, announce_close=goodbye)
        if fault is not None or answer.ready is None:
            self._task = self._loop.create_task(self._perform(head, answer, fault or Fault(close_after=goodbye)))
            return
        first, *others = answer.ready or (b"",)
        self._transport.write(head + first)
        for write in others:
            self._transport.write(write)
        if goodbye:
            self._transport.close()

    def _head(self, answer: Answer, *, announce_close: bool) -> bytes:
        parts = [answer.head]
        if answer.id_header not in answer.headers:
            parts.append(b"%b: %b\r\n" % (answer.id_header.encode(), self._service.request_id()))
        if announce_close and "connection" not in answer.headers:
            parts.append(b"connection: close\r\n")
        return b"".join((*parts, b"\r\n"))

    async def _perform(self, head: bytes, answer: Answer, fault: Fault) -> None:
        try:
            await self._play(head, answer, fault)
        except Exception:  # a bug in a route's own generator: the log has it, the client a cut answer
            logger.exception("an answer's body failed while it was being sent")
            self.abort()
        self._task = None
        self._advance()

    async def _play(self, head: bytes, answer: Answer, fault: Fault) -> None:
        await asyncio.sleep(fault.delay)
        if fault.garbage:
            self._transport.write(GARBAGE)
        elif not fault.close_before:
            self._transport.write(head)
            await self._play_body(answer, fault)
        if fault.stall_after is not None:
            await self._loop.create_future()  # until the connection is lost, which cancels this
        if fault.closes:
            await self._hang_up(fault)

    async def _play_body(self, answer: Answer, fault: Fault) -> None:
        size, seconds = fault.drip or (None, answer.pause)
        first = True
        for write in answer.writes(fault.limit):
            for start in range(0, len(write), size or len(write)):
                if not first:
                    await asyncio.sleep(seconds)
                first = False
                self._transport.write(write[start : start + size] if size else write)
                await self._writable.wait()

    async def _hang_up(self, fault: Fault) -> None:
        await self._writable.wait()
        if fault.reset:
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        if fault.reset or fault.cut_after is not None:
            self.abort()  # under TLS close() would say goodbye, and the cut would be none
        else:
            self._transport.close()

    def _tell_to_continue(self) -> None:
        if self._reader.awaits_continue and not self._told_to_continue and self._task is None:
            self._told_to_continue = True
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _refuse(self, error: RefusedRequestError) -> None:
        answer = error_answer(error.status, str(error))
        self._transport.write(self._head(answer, announce_close=True) + b"".join(answer.ready or ()))
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._lingering = self._loop.call_later(LINGER, self._transport.close)

"""What the connections of a loopback server share: the record, the script, and the routes that answer."""

from __future__ import annotations

import collections
import itertools
import logging
import re
import secrets
import threading
from collections.abc import Iterable

from ._connection import Connection
from ._exchange import OPENAI, Answer, Dialect, RecordedRequest, Route
from .faults import Fault

__all__ = ["HEALTH", "PlayedService"]

HEALTH = "/health"
"""The one path that asks for no key and takes no fault."""

logger = logging.getLogger(__name__)


class PlayedService:
    """A service as its connections see it. Written on the server's thread, read on any under `changed`."""

    def __init__(self, routes: Iterable[Route], *, api_key: str | None, keep_requests: int | None) -> None:
        self.changed = threading.Condition()
        self.requests: collections.deque[RecordedRequest] = collections.deque(maxlen=keep_requests)
        self.script: collections.deque[Fault] = collections.deque()
        self.open: set[Connection] = set()
        self.connections = 0
        self._ids = itertools.count(1)
        self._request_ids = itertools.count(1)
        self._run = secrets.token_hex(4)  # tells this server's request ids from another's
        self._api_key = api_key
        self._routes = [(route, _pattern(route.path)) for route in routes]

    def opened(self, connection: Connection) -> int:
        """Count a connection in and return its id."""
        with self.changed:
            self.open.add(connection)
            self.connections += 1
            self.changed.notify_all()
        return next(self._ids)

    def closed(self, connection: Connection) -> None:
        """Count a connection out."""
        with self.changed:
            self.open.discard(connection)
            self.changed.notify_all()

    def reset(self) -> None:
        """Forget requests, script and closed connections."""
        with self.changed:
            self.requests.clear()
            self.script.clear()
            self.connections = len(self.open)

    def request_id(self) -> bytes:
        """Return an id that no other request has, of this server or another."""
        return b"req_%b%08x" % (self._run.encode(), next(self._request_ids))

    def receive(self, request: RecordedRequest) -> tuple[Answer, Fault | None]:
        """Record a request; return its answer, from the script or a route, and its fault."""
        route = self._route_of(request)
        dialect = OPENAI if route is None else route.dialect
        fault = self._next_fault(request)
        answer = fault.replacement(dialect) if fault else None
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()
        return answer or self._healthy(request, route, dialect), fault

    def _next_fault(self, request: RecordedRequest) -> Fault | None:
        return self.script.popleft() if self.script and request.path != HEALTH else None

    def _route_of(self, request: RecordedRequest) -> Route | None:
        for route, pattern in self._routes:
            fits = route.method == request.method and pattern.fullmatch(request.path)
            if fits and (route.when is None or route.when(request)):
                return route
        return None

    def _healthy(self, request: RecordedRequest, route: Route | None, dialect: Dialect) -> Answer:
        asks_for_key = self._api_key is not None and request.path != HEALTH
        if asks_for_key and not dialect.carries(request, self._api_key or ""):
            return dialect.wrong_key
        if route is None:
            return dialect.refuse(404, f"Unknown request URL: {request.method} {request.path}.", code="unknown_url")
        return _handled(route, request)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, path.split("*"))))


def _handled(route: Route, request: RecordedRequest) -> Answer:
    try:
        return route.handler(request)
    except Exception as error:  # a route's own bug: a hung client would tell less than this answer
        logger.exception("the route %s %s failed", route.method, route.path)
        return route.dialect.refuse(500, f"The route failed: {type(error).__name__}: {error}")

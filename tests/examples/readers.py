"""Plays the reader at the other end of an ASGI server, who leaves in the middle."""

from __future__ import annotations

import asyncio
import json


class Reader:
    """Asks, and leaves when `enough` pieces of the answer have come; with 0 as soon as the question was read.

    Args:
        path: What is asked.
        enough: How many pieces.
        spec: Which ASGI the server speaks: from 2.4 on it also says in `send` that the reader is gone.
    """

    def __init__(self, path, *, enough, spec="2.3"):
        self.path, self.enough, self.spec = path, enough, spec
        self.pieces, self.gone = [], asyncio.Event()
        body = json.dumps({"prompt": "Talk.", "max_tokens": 400}).encode()
        self.question = iter([{"type": "http.request", "body": body}])

    async def receive(self):
        for message in self.question:
            return message
        if self.enough:
            await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        self.pieces += [message["body"]] if message.get("body") else []
        if len(self.pieces) < self.enough:
            return
        self.gone.set()
        if self.spec >= "2.4":
            raise OSError("the reader is gone")
        await asyncio.sleep(30)  # the buffer is full: here the response is cancelled

    @property
    def scope(self):
        names = {"content-type": "application/json", "x-user": "alice", "host": "localhost"}
        headers = [(name.encode(), text.encode()) for name, text in names.items()]
        asked = {"method": "POST", "path": self.path, "query_string": b"", "headers": headers}
        return {"type": "http", "asgi": {"version": "3.0", "spec_version": self.spec}, **asked}

    async def asks(self, app):
        """Ask, and return when the application has ended its part."""
        await asyncio.wait_for(app(self.scope, self.receive, self.send), 10)

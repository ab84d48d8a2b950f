"""A web service with FastAPI: answers as JSON or as server-sent events, budgets per user and per request, errors as HTTP.

Serve it with `uvicorn --factory fastapi_service:create_app`; run by itself it asks itself, with a played model.
"""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Annotated, Any

import httpx
from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field

import aiclient
from aiclient import AIClientError, AsyncClient, BudgetExceededError, ChatResponse, ChatStream
from aiclient.middleware import Budget
from aiclient.testutil import MockProvider, fixtures

Dollars = Annotated[Decimal, Field(gt=0, le=Decimal("0.05"))]
User = Annotated[str, Header(alias="X-User")]  # set by the gateway that has checked who it is; never taken from outside


class Question(BaseModel):
    """What may be asked, within limits: whatever is not limited here, somebody will send."""

    prompt: str = Field(min_length=1, max_length=20_000)
    max_tokens: int = Field(default=500, ge=1, le=4000)
    budget_usd: Dollars = Decimal("0.01")


def create_app(provider: str | aiclient.Provider = "openai:gpt-5.4-mini", **options: Any) -> FastAPI:
    """Make the service; one client serves all requests."""
    of_users = Budget(usd="0.25", per="user", period="day", name="users")
    client = AsyncClient(aiclient.resilient(provider, budget=of_users), **options)
    app = FastAPI(lifespan=lifespan)
    app.state.client, app.state.budget = client, of_users
    app.add_exception_handler(AIClientError, refused)

    @app.post("/ask")
    async def ask(question: Question, user: User) -> dict[str, Any]:
        response = await limited(client, question).tags(user=user).do()
        return {"answer": response.message.content, "usd": dollars(response)}

    @app.post("/stream")
    async def stream(question: Question, user: User) -> Events:
        opened = await limited(client, question).tags(user=user).stream()
        await opened.commit()  # reads up to the first words: what fails before them still gets a status code
        return Events(opened)

    return app


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await app.state.client.close(grace=10)  # seconds for what is under way


def limited(client: AsyncClient, question: Question) -> Any:
    """Begin a request with a budget of its own, outside the client's chain, where that of its user stands."""
    own = client.derive(Budget(usd=question.budget_usd, alerts=()))
    return own.new_request().system("Be brief.").user(question.prompt).max_tokens(question.max_tokens).timeout(60)


class Events(StreamingResponse):
    """Server-sent events of a stream that is closed however the response ends: read, broken off, or left by its reader."""

    media_type = "text/event-stream"

    def __init__(self, stream: ChatStream) -> None:
        super().__init__(events(stream), headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        self.stream = stream

    async def __call__(self, *connection: Any) -> None:
        async with self.stream:  # leaving it cancels the call to the service, and settles both budgets
            await super().__call__(*connection)


async def events(stream: ChatStream) -> AsyncIterator[str]:
    try:
        async for text in stream.text:
            yield event("text", text=text)
    except AIClientError as error:  # the status was sent long ago
        yield event("error", **failure(error)[1])
    else:
        yield event("done", usd=dollars(stream.response))


def dollars(response: ChatResponse) -> str | None:
    return None if response.cost is None else str(response.cost.usd)


def event(name: str, **data: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"  # JSON has no line breaks, which would end the event


async def refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AIClientError)
    status, body = failure(error)
    wait = body.get("retry_after")
    return JSONResponse({"error": body}, status, headers=None if wait is None else {"Retry-After": str(wait)})


FAILURES = {  # what a caller can act on; what the service said, and whose key failed, is for the log
    "rate_limit": (429, "too many requests; come back later"),
    "timeout": (504, "the model took too long"),
    "bad_request": (422, "the model does not take this question"),
    "context_length": (422, "the question is too long"),
    "content_filter": (422, "the question or its answer is against the rules"),
}


def failure(error: AIClientError) -> tuple[int, dict[str, Any]]:
    if isinstance(error, aiclient.StreamInterruptedError) and isinstance(error.__cause__, AIClientError):
        error = error.__cause__  # why the stream broke off
    if isinstance(error, BudgetExceededError):
        if error.resets_at is None:
            return 402, {"kind": "budget", "message": f"this may cost ${error.asked}; ${error.limit} are allowed"}
        wait = math.ceil(error.resets_at - time.time())
        return 429, {"kind": "budget", "message": f"the ${error.limit} of today are used up", "retry_after": wait}
    down = error.retryable or isinstance(error, aiclient.CircuitOpenError)
    other = (503, "the model cannot be reached; come back later") if down else (500, "this service is set up wrongly")
    status, message = FAILURES.get(error.category, other)
    wait_if = {"retry_after": math.ceil(error.retry_after or 5)} if status in {429, 503} else {}
    return status, {"kind": error.category, "message": message, **wait_if}


def played(request: aiclient.ChatRequest) -> Any:
    """Play a model that is down for some."""
    question = request.messages[-1].content
    return fixtures.overloaded(retry_after=600) if "down" in question else "Rhine, Loire and Danube."


async def main() -> None:
    app = create_app(MockProvider(played), prices={"mock-model": {"input": 0, "output": 100}})
    inside = httpx.ASGITransport(app)
    async with lifespan(app), httpx.AsyncClient(transport=inside, base_url="http://service") as web:
        web.headers["X-User"] = "alice"
        print((await web.post("/ask", json={"prompt": "Name three rivers.", "max_tokens": 50})).json())
        print((await web.post("/stream", json={"prompt": "Name three rivers.", "max_tokens": 50})).text)
        for question in (
            {"prompt": "Name all rivers.", "max_tokens": 4000},
            {"prompt": "Are you down?", "max_tokens": 50},
        ):
            response = await web.post("/ask", json=question)
            print(response.status_code, response.headers.get("Retry-After"), response.json()["error"])


if __name__ == "__main__":
    asyncio.run(main())

"""A provider of one's own: here a program instead of a model. Streams, errors, retry and logging come with the client."""

from collections.abc import AsyncIterator

from aiclient import (
    BadRequestError,
    BaseProvider,
    ChatRequest,
    ChatResponse,
    ChatStream,
    ChatStreamChunk,
    Client,
    Message,
    ProviderError,
    Usage,
)


class Calculator(BaseProvider):
    """Adds the numbers of the last message."""

    name = "calculator"

    async def chat(self, request: ChatRequest, /) -> ChatResponse:
        text = f"The sum is {self._sum(request):g}."
        usage = Usage(prompt_tokens=len(request.messages), completion_tokens=4)
        return ChatResponse(Message("assistant", text), finish_reason="stop", usage=usage, model="plus")

    async def chat_stream(self, request: ChatRequest, /) -> ChatStream:
        """Stream word by word; without this method the answer comes as one piece."""
        return ChatStream(self._chunks(self._sum(request)))

    async def _chunks(self, total: float) -> AsyncIterator[ChatStreamChunk]:
        for word in ("The ", "sum ", "is ", f"{total:g}."):
            yield ChatStreamChunk(content=word)
        yield ChatStreamChunk(finish_reason="stop", last=True)  # a stream says where it ends

    def _sum(self, request: ChatRequest) -> float:
        try:
            return sum(float(word) for word in request.messages[-1].content.split("+"))
        except ValueError as error:
            problem = str(error)
        raise BadRequestError(f"not numbers joined by +: {problem}")


def main() -> None:
    with Client(Calculator()) as client:
        print(client.chat("1 + 2 + 39").message.content)
        with client.chat_stream("0.5 + 0.25") as stream:
            print(list(stream.text))
        try:
            client.chat("one and one")
        except ProviderError as error:
            print(error.provider, error.category, error)


if __name__ == "__main__":
    main()

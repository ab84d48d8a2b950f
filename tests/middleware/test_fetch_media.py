"""URLs of a request become bytes before it is sent; what cannot be fetched is told, and nothing is sent."""

from __future__ import annotations

import asyncio

import pytest

from aiclient import AsyncClient, Client
from aiclient.errors import ConfigError, MediaError, ServerError
from aiclient.messages import DocumentPart, ImagePart, Message, ToolCall, ToolResultPart
from aiclient.middleware import CircuitBreaker, FetchMedia, Retry
from aiclient.order import order_problems
from aiclient.testutil import FakeClock, MockProvider

pytestmark = pytest.mark.anyio

CAT, DOG, OFFER = "https://a.test/cat", "HTTP://a.test/dog", "https://a.test/offer"
KEPT = {"detail": "low"}


class Shelf:
    """Fetches from a dictionary; a missing URL is refused."""

    def __init__(self, **more):
        self.asked = []
        self.more = more

    async def fetch(self, url, *, kind=None, deadline=None):
        self.asked.append((url, kind, deadline))
        await asyncio.sleep(0)
        if "missing" in url:
            raise MediaError("not there", kind="unreachable")
        return (DocumentPart if kind == "document" else ImagePart)(data=url.encode(), media_type=f"{kind}/x")


def sent(mock):
    return [part for message in mock.requests[-1].messages for part in message.parts]


def picture(url):
    return ImagePart(url=url, detail="low")


def fetched(url):
    return ImagePart(data=url.encode(), media_type="image/x", detail="low")


async def test_urls_become_bytes_and_all_else_stays():
    mock, shelf = MockProvider("A cat."), Shelf()
    call = ToolCall("1", "look")
    same = [
        Message("system", "Be brief."),
        Message("assistant", "I see.", tool_calls=[call]),
        Message("user", [ImagePart(url="gs://a/b"), ImagePart(data=b"x"), ImagePart(file_id="f"), "Well?"]),
    ]
    await (
        AsyncClient(mock)
        .use(FetchMedia(shelf))
        .chat(
            [
                *same[:2],
                Message("tool", [ToolResultPart("1", ["seen", picture(DOG)])]),
                Message("user", [picture(CAT), DocumentPart(url=OFFER, name="a.pdf")]),
                same[2],
            ]
        )
    )
    offer = DocumentPart(data=OFFER.encode(), media_type="document/x", name="a.pdf")
    assert list(mock.requests[0].messages) == [
        *same[:2],
        Message("tool", [ToolResultPart("1", ["seen", fetched(DOG)])]),
        Message("user", [fetched(CAT), offer]),
        same[2],
    ]
    assert [(url, kind) for url, kind, _ in shelf.asked] == [(CAT, "image"), (OFFER, "document"), (DOG, "image")]


async def test_a_stream_is_sent_bytes_too():
    mock = MockProvider("A cat.")
    async with AsyncClient(mock).use(FetchMedia(Shelf())).new_request().image(CAT).stream() as stream:
        assert "".join([chunk.delta.content async for chunk in stream]) == "A cat."
    assert sent(mock) == [ImagePart(data=CAT.encode(), media_type="image/x")]


def test_a_sync_client_fetches_as_well():
    mock = MockProvider("A cat.")
    with Client(mock).use(FetchMedia(Shelf())) as client:
        client.new_request().image(CAT).do()
    assert sent(mock)[0].data == CAT.encode()


async def test_the_same_url_is_fetched_once():
    shelf = Shelf()
    await AsyncClient(MockProvider("x")).use(FetchMedia(shelf)).new_request().image(CAT).image(CAT).do()
    assert len(shelf.asked) == 1


async def test_what_cannot_be_fetched_is_the_error_and_nothing_is_sent():
    mock, breaker = MockProvider("x"), CircuitBreaker(1)
    client = AsyncClient(mock).use(breaker, FetchMedia(Shelf()))
    for method in ("do", "stream"):
        request = client.new_request().image(CAT).image("https://a.test/missing")
        with pytest.raises(MediaError, match="not there"):
            await getattr(request, method)()
    assert (mock.requests, [circuit.state for circuit in breaker.state()]) == ([], ["closed"])


async def test_retry_inside_fetches_once_for_all_attempts():
    shelf, mock = Shelf(), MockProvider([ServerError(), ServerError(), "A cat."])
    client = AsyncClient(mock, clock=FakeClock()).use(FetchMedia(shelf), Retry())
    await client.new_request().image(CAT).do()
    assert (len(shelf.asked), len(mock.requests)) == (1, 3)


async def test_retry_outside_is_warned_of():
    with pytest.warns(UserWarning, match="fetches again"):
        client = AsyncClient(MockProvider("x")).use(Retry(), FetchMedia(Shelf()))
    assert len(order_problems(client)) == 1


async def test_a_fetch_knows_the_deadline_of_the_call(still):
    shelf = Shelf()
    client = AsyncClient(MockProvider("x"), clock=still).use(FetchMedia(shelf))
    await client.new_request().image(CAT).timeout(5).do()
    assert shelf.asked[0][2] == still.monotonic() + 5


async def test_a_dry_run_fetches_nothing():
    shelf = Shelf()
    await AsyncClient(MockProvider("x")).use(FetchMedia(shelf)).new_request().image(CAT).dry_run()
    assert shelf.asked == []


async def test_a_request_without_urls_passes_as_it_is():
    mock = MockProvider("x")
    client = AsyncClient(mock).use(FetchMedia(Shelf()))
    request = client.new_request().user(["hi", ImagePart(data=b"x")]).build()
    await client.chat(request)
    assert mock.requests[0].messages is request.messages
    await client.embed("text")


async def test_more_urls_than_allowed_are_refused_before_the_first_is_fetched():
    shelf = Shelf()
    client = AsyncClient(MockProvider("x")).use(FetchMedia(shelf, most=1))
    with pytest.raises(MediaError, match="2 URLs to fetch, more than most=1"):
        await client.new_request().image(CAT).image(DOG).do()
    assert shelf.asked == []


async def test_calls_at_the_same_time_do_not_mix():
    mock = MockProvider("x")
    client = AsyncClient(mock).use(FetchMedia(Shelf()))
    urls = [f"https://a.test/{number}" for number in range(20)]
    await asyncio.gather(*(client.new_request().user(url).image(url).do() for url in urls))
    found = [message.parts for request in mock.requests for message in request.messages]
    assert sorted(text.text for text, _ in found) == sorted(urls)
    assert all(image.data == text.text.encode() for text, image in found)


async def test_a_call_cancelled_at_any_step_ends_at_once(at_every_step):
    def scene():
        client = AsyncClient(MockProvider("x")).use(FetchMedia(Shelf()))

        def verify(task):
            assert task.done()
            assert len(client._calls) == 0

        return client.new_request().image(CAT).image(DOG).do(), verify

    assert await at_every_step(scene) > 3


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: FetchMedia(None), "something that fetches is needed"),
        (lambda: FetchMedia(Shelf(), most=0), "most=0"),
        (lambda: FetchMedia(Shelf(), most=True), "most=True"),
    ],
)
def test_a_wrong_option_is_refused_by_name(make, told):
    with pytest.raises(ConfigError, match=told):
        make()


def test_it_says_what_it_is():
    assert repr(FetchMedia(Shelf())) == "FetchMedia(Shelf, most=10)"

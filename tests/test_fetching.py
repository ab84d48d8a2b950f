"""Media fetched for somebody else: only from where it may be, by the address that was checked, within size and time.

The servers are real, with certificates for the names that a resolver of our own leads to them.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import ssl

import pytest
import trustme

from aiclient import MediaFetcher
from aiclient.errors import ConfigError, MediaError
from aiclient.messages import AudioPart, DocumentPart, ImagePart, VideoPart
from aiclient.testutil.server import Answer, LoopbackServer, Route, cut, stall

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n and so on"
LOOPBACK = ("127.0.0.0/8",)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def trusting(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def endless(_):
    return Answer(200, {"content-type": "image/png"}, itertools.chain([PNG], itertools.repeat(bytes(65536))))


def hop(request):
    """Redirect `/3` to `/2`, and so on to the picture."""
    left = int(request.path[-1])
    return Answer(307, {"location": f"/hop{left - 1}" if left > 1 else "/cat.png"}, b"here is the way")


def to(request):
    return Answer(302, {"location": request.query.replace("%3A", ":")}, b"")


PAGES = {
    "/cat.png": Answer(200, {"content-type": "text/html"}, PNG),
    "/film": Answer(200, {}, b"\x00\x00\x00\x14ftypisom\x00\x00\x00\x00mp42"),
    "/sound": Answer(200, {}, b"OggS\x00\x02"),
    "/offer.pdf": Answer(200, {}, b"%PDF-1.7"),
    "/page": Answer(200, {"content-type": "text/html; charset=utf-8"}, b"<html>Hello</html>"),
    "/notes.md": Answer(200, {"content-type": "application/octet-stream"}, b"# Notes"),
    "/empty": Answer(200, {}, b""),
    "/missing": Answer(404, {}, b"no"),
    "/nothing": Answer(204, {}, b""),
    "/nowhere": Answer(302, {}, b""),
    "/packed": Answer(200, {"content-encoding": "gzip"}, gzip.compress(PNG + bytes(1_000_000))),
}


def serving(context, host="127.0.0.1"):
    pages = [Route("GET", path, lambda _, answer=answer: answer) for path, answer in PAGES.items()]
    own = [Route("GET", "/endless", endless), Route("GET", "/hop*", hop), Route("GET", "/to", to)]
    return LoopbackServer(host=host, ssl=context, routes=[*pages, *own])


@pytest.fixture(scope="module")
def names():
    return []


@pytest.fixture(scope="module")
def context(authority, names):
    """Certificates for two names; `names` collects what clients ask for."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("media.test", "other.test", "127.0.0.1").configure_cert(made)
    made.sni_callback = lambda _, name, __: names.append(name)
    return made


@pytest.fixture(scope="module")
def running(context):
    with serving(context) as server:
        yield server


@pytest.fixture
def server(running):
    running.reset()
    yield running
    running.wait_closed()  # whatever happened, no connection is left
    running.reset()


def resolving(*answers):
    """A resolver that gives these answers, one each time, and the list of what it was asked."""
    told, asked = iter(answers), []

    async def resolve(host, port):
        asked.append((host, port))
        answer = next(told)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return resolve, asked


def port_of(server):
    return int(server.url.rpartition(":")[2])


@pytest.fixture
def make(server, trusting):
    def make_fetcher(*answers, **options):
        resolve, _ = resolving(*(answers or [["127.0.0.1"]] * 9))
        defaults = {"resolve": resolve, "verify": trusting, "ports": [port_of(server)], "allow_networks": LOOPBACK}
        return MediaFetcher(**{**defaults, **options})

    return make_fetcher


@pytest.fixture
def at(server):
    return lambda path, host="media.test": f"https://{host}:{port_of(server)}{path}"


async def refused(work):
    with pytest.raises(MediaError) as caught:
        await work
    assert caught.value.__context__ is None or not type(caught.value.__context__).__module__.startswith("http")
    return caught.value.kind, str(caught.value)


# --- what comes ---


@pytest.mark.parametrize(
    ("path", "kind", "part"),
    [
        ("/cat.png", None, ImagePart(data=PNG, media_type="image/png")),  # whatever the server says of it
        ("/cat.png", "image", ImagePart(data=PNG, media_type="image/png")),
        ("/film", None, VideoPart(data=PAGES["/film"].body, media_type="video/mp4")),
        ("/film", "audio", AudioPart(data=PAGES["/film"].body, media_type="audio/mp4")),
        ("/sound", None, AudioPart(data=PAGES["/sound"].body, media_type="audio/ogg")),
        ("/offer.pdf?version=2", None, DocumentPart(data=b"%PDF-1.7", media_type="application/pdf")),
        ("/page", "document", DocumentPart(data=b"<html>Hello</html>", media_type="text/html; charset=utf-8")),
        ("/notes.md", "document", DocumentPart(data=b"# Notes", media_type="text/markdown")),
    ],
)
async def test_what_comes_is_a_part_by_its_first_bytes(make, at, path, kind, part):
    assert await make().fetch(at(path), kind=kind) == part


@pytest.mark.parametrize(
    ("path", "kind", "why"),
    [
        ("/page", None, "type"),
        ("/notes.md", None, "type"),
        ("/page", "image", "type"),
        ("/cat.png", "document", "type"),
        ("/empty", "image", "type"),
        ("/missing", None, "unreachable"),
        ("/nothing", None, "unreachable"),
        ("/nowhere", None, "unreachable"),
    ],
)
async def test_what_is_no_media_or_does_not_come_is_refused(make, at, path, kind, why):
    assert (await refused(make().fetch(at(path), kind=kind)))[0] == why


async def test_a_status_is_told(make, at):
    with pytest.raises(MediaError) as caught:
        await make().fetch(at("/missing"))
    assert caught.value.status_code == 404


async def test_a_kind_that_there_is_not_is_refused(make, at):
    with pytest.raises(ConfigError, match="kind='picture' is none of image, audio, video, document"):
        await make().fetch(at("/cat.png"), kind="picture")


# --- whom it asks, and what is sent ---


async def test_name_and_host_are_kept_though_the_connection_goes_to_an_address(make, at, server, names):
    names.clear()
    await make().fetch(at("/cat.png?size=1"))
    (request,) = server.requests
    assert names == ["media.test"]
    assert (request.headers["host"], request.query) == (f"media.test:{port_of(server)}", "size=1")
    assert request.headers.keys() == {"host", "accept", "accept-encoding", "user-agent"}


async def test_a_certificate_of_another_name_is_refused(make, at, server):
    kind, told = await refused(make().fetch(at("/cat.png", "third.test")))
    assert (kind, server.requests) == ("unreachable", [])
    assert "certificate" in told


async def test_an_address_is_asked_for_by_itself(make, at, server):
    await make().fetch(at("/cat.png", "127.0.0.1"))
    assert server.requests[0].headers["host"] == f"127.0.0.1:{port_of(server)}"


@pytest.mark.linux
async def test_a_name_is_looked_up_once_and_the_address_that_was_checked_is_gone_to(context, trusting):
    """A resolver that rebinds: the second answer would be another machine."""
    with serving(context, "127.0.0.2") as right:
        resolve, asked = resolving(["127.0.0.2"], ["127.0.0.1"])
        fetcher = MediaFetcher(
            resolve=resolve, verify=trusting, ports=[port_of(right)], allow_networks=["127.0.0.2/32"]
        )
        await fetcher.fetch(f"https://media.test:{port_of(right)}/cat.png")
        assert (len(right.requests), asked) == (1, [("media.test", port_of(right))])
        again = fetcher.fetch(f"https://media.test:{port_of(right)}/cat.png")
        assert (await refused(again))[0] == "blocked"
        await asyncio.to_thread(right.wait_closed)


@pytest.mark.parametrize(
    "addresses",
    [
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::ffff:127.0.0.1"],
        ["127.0.0.1", "10.0.0.1"],  # one of several
        ["127.0.0.1", "::1"],
        ["fe80::1%lo"],
        ["not an address"],
        [""],
    ],
)
async def test_a_name_with_one_address_that_is_not_public_is_not_connected_to_at_all(make, at, server, addresses):
    assert (await refused(make(addresses).fetch(at("/cat.png"))))[0] == "blocked"
    assert server.connections == 0


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "[::ffff:127.0.0.1]", "10.0.0.1"]
)
async def test_without_leave_nothing_of_this_machine_or_network_is_fetched(host):
    assert (await refused(MediaFetcher().fetch(f"https://{host}/cat.png")))[0] == "blocked"


@pytest.mark.parametrize("answer", [OSError("no such name"), []])
async def test_a_name_that_is_not_found_is_unreachable(make, at, answer):
    assert await refused(make(answer).fetch(at("/cat.png"))) == ("unreachable", "media.test: the name was not found")


@pytest.mark.linux
async def test_the_next_address_is_tried_when_one_does_not_answer(make, at, server):
    await make(["127.0.0.3", "127.0.0.1"]).fetch(at("/cat.png"))
    assert len(server.requests) == 1


async def test_no_more_than_four_addresses_are_tried(make, at, server):
    dead = [f"127.0.0.{number}" for number in range(3, 7)]
    assert (await refused(make([*dead, "127.0.0.1"]).fetch(at("/cat.png"))))[0] == "unreachable"
    assert server.connections == 0


# --- redirects ---


async def test_three_redirects_are_followed(make, at, server):
    assert (await make().fetch(at("/hop3"))).data == PNG
    assert [request.path for request in server.requests] == ["/hop3", "/hop2", "/hop1", "/cat.png"]


async def test_a_fourth_is_not(make, at, server):
    kind, told = await refused(make().fetch(at("/hop4")))
    assert (kind, len(server.requests)) == ("unreachable", 4)
    assert "more than 3 redirects" in told


async def test_a_redirect_to_another_host_is_looked_up_and_checked_anew(make, at, server):
    assert (await make().fetch(at(f"/to?{at('/cat.png', 'other.test')}"))).data == PNG
    assert [request.headers["host"].partition(":")[0] for request in server.requests] == ["media.test", "other.test"]
    blocked = make(["127.0.0.1"], ["10.0.0.1"]).fetch(at(f"/to?{at('/cat.png', 'other.test')}"))
    assert (await refused(blocked))[0] == "blocked"


@pytest.mark.parametrize(
    "where",
    [
        "http://media.test/cat.png",
        "https://169.254.169.254/latest/meta-data/",
        "//10.0.0.1/",
        "https://media.test:22/",
        "https://user:password@media.test/cat.png",
        "file:///etc/passwd",
        "https://0x7f.1/",
    ],
)
async def test_a_redirect_to_where_nothing_is_fetched_is_refused(make, at, server, where):
    assert (await refused(make().fetch(at(f"/to?{where}"))))[0] in ("blocked", "source")
    assert len(server.requests) == 1


# --- how much, and how long ---


async def test_what_is_announced_as_too_large_is_not_read(make, at):
    kind, told = await refused(make(max_bytes=len(PNG) - 1).fetch(at("/cat.png")))
    assert (kind, told) == ("too_large", f"media.test has more than max_bytes={len(PNG) - 1}")
    assert (await make(max_bytes=len(PNG)).fetch(at("/cat.png"))).data == PNG


@pytest.mark.parametrize("path", ["/endless", "/packed"])
async def test_what_turns_out_to_be_too_large_is_read_no_further(make, at, path):
    assert (await refused(make(max_bytes=100_000).fetch(at(path))))[0] == "too_large"


@pytest.mark.parametrize("after", [0, 5])
async def test_a_server_that_stalls_is_left_after_the_time_for_all(make, at, server, still, after):
    server.script(stall(after=after))
    task = asyncio.ensure_future(make(clock=still).fetch(at("/cat.png")))
    await asyncio.to_thread(server.wait_for, lambda: len(server.requests) == 1)
    still.advance(29.9)
    await asyncio.sleep(0)
    assert not task.done()
    still.advance(0.1)
    kind, told = await refused(task)
    assert (kind, told) == ("timeout", f"{at('/cat.png')!r} took longer than 30 s")
    assert still.pending == 0


async def test_looking_a_name_up_counts_too(make, at, still):
    async def never(host, port):
        await asyncio.Event().wait()

    task = asyncio.ensure_future(make(resolve=never, clock=still).fetch(at("/cat.png")))
    await asyncio.sleep(0)
    still.advance(30)
    assert (await refused(task))[0] == "timeout"
    assert still.pending == 0


async def test_a_deadline_before_that_counts(make, at, server, still):
    server.script(stall())
    task = asyncio.ensure_future(make(clock=still).fetch(at("/cat.png"), deadline=still.monotonic() + 5))
    await asyncio.to_thread(server.wait_for, lambda: len(server.requests) == 1)
    still.advance(5)
    assert (await refused(task))[0] == "timeout"


@pytest.mark.parametrize("fault", [cut(), cut(after=5), cut(reset=True)], ids=["before", "inside", "reset"])
async def test_a_connection_that_breaks_is_unreachable(make, at, server, fault):
    server.script(fault)
    assert (await refused(make().fetch(at("/cat.png"))))[0] == "unreachable"


# --- leaving, and sharing ---


@pytest.mark.parametrize("after", [0, 5])
async def test_a_cancelled_fetch_leaves_no_connection(make, at, server, after):
    server.script(stall(after=after))
    task = asyncio.ensure_future(make().fetch(at("/cat.png")))
    await asyncio.to_thread(server.wait_for, lambda: len(server.requests) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(server.wait_closed)


@pytest.mark.parametrize("turns", range(12))
async def test_a_fetch_cancelled_while_it_connects_leaves_no_connection(make, at, server, turns):
    task = asyncio.ensure_future(make().fetch(at("/cat.png")))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(server.wait_closed)


async def test_an_error_that_is_kept_holds_no_connection(make, at, server):
    with pytest.raises(MediaError) as caught:
        await make().fetch(at("/missing"))
    await asyncio.to_thread(server.wait_closed)
    assert caught.value.__traceback__ is not None  # with the frames, and what they hold


async def test_fetches_at_the_same_time_do_not_mix(make, at):
    fetcher = make(*(["127.0.0.1"] for _ in range(10)))
    paths = ["/cat.png", "/film", "/sound", "/offer.pdf", "/cat.png"] * 2
    found = await asyncio.gather(*(fetcher.fetch(at(path)) for path in paths))
    assert [part.data for part in found] == [PAGES[path].body for path in paths]


async def test_a_fetcher_can_be_closed_and_used_again(make, at):
    fetcher = make()
    await fetcher.fetch(at("/cat.png"))
    await fetcher.close()
    assert (await fetcher.fetch(at("/cat.png"))).data == PNG


def test_one_fetcher_serves_several_event_loops(make, at):
    fetcher = make()
    assert [asyncio.run(fetcher.fetch(at("/cat.png"))).data for _ in range(2)] == [PNG, PNG]


# --- options ---


async def test_http_is_taken_when_it_is_allowed():
    with serving(None) as plain:
        options = {"ports": [port_of(plain)], "allow_networks": LOOPBACK}
        url = f"{plain.url}/cat.png"
        assert (await refused(MediaFetcher(**options).fetch(url)))[0] == "blocked"
        assert (await MediaFetcher(**options, allow_http=True).fetch(url)).data == PNG
        await asyncio.to_thread(plain.wait_closed)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_bytes": 0}, "max_bytes=0 must be a whole number above 0"),
        ({"max_bytes": 1.5}, "max_bytes=1.5"),
        ({"seconds": 0}, "seconds=0 must be a number above 0"),
        ({"seconds": float("inf")}, "seconds=inf"),
        ({"seconds": True}, "seconds=True"),
        ({"allow_networks": ["10.0.0.1/8"]}, "allow_networks: '10.0.0.1/8'"),
        ({"allow_networks": ["everything"]}, "allow_networks: 'everything'"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(options, told):
    with pytest.raises(ConfigError, match=told):
        MediaFetcher(**options)

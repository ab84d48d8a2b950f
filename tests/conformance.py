"""Feed recorded exchanges with language-model services to the providers, and compare with what the vendors' SDKs make of them.

    python tests/conformance.py ../shared/wire [--api openai.chat]... [--show 5] [--loopback] [--splits]

Prints `<api> <matched>/<with ground truth>` per API, then what could not be compared and what is left out on purpose, each
with its number, and at last the same for all together. Exits 0 only if everything matched. Without --api everything in the
folder is checked. `--loopback` sends the same bytes over real connections on 127.0.0.1 instead of through `http_client=`;
`--splits` also feeds every stream in reads of 1, 7 and 64 bytes and cuts it at every event.

The APIs are in conformance_apis.py, their rules in conformance_rules.py.
"""

import argparse
import asyncio
import base64
import collections
import gzip
import json
import pathlib
import re
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import conformance_check
from conformance_apis import APIS, LEFT_OUT
from conformance_splits import splits

from aiclient.errors import AIClientError
from aiclient.messages import Message
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest

UNTOLD = "without ground truth"
UNASKED = "asks for what no provider offers"


def records(folder, api):
    """Yield the records of one API."""
    path = pathlib.Path(folder) / f"{api}.jsonl.gz"
    if path.is_file():  # not every folder has recordings of every API
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def in_folder(folder):
    """Return the names of all APIs of which the folder has recordings."""
    return sorted(path.name.removesuffix(".jsonl.gz") for path in pathlib.Path(folder).glob("*.jsonl.gz"))


def body(record):
    """Return the body of a record as it came over the wire."""
    response = record["response"]
    if response.get("body_encoding") == "base64":
        return base64.b64decode(response["body"])
    return response["body"].encode("utf-8", "surrogatepass")


def is_asked(record):
    """Whether a provider can ask for what the record asks for; some recordings delete or describe things."""
    is_get = record["request"]["method"] == "GET"
    if APIS[record["api"]].ask != "models":
        return not is_get
    path = urllib.parse.urlsplit(record["request"]["url"]).path
    return is_get and re.search(r"/(?:models(?:/[^/]+)?|tags)$", path) is not None


def provider(record, *, base_url="https://service.test/v1", **options):
    """Return the provider for a record."""
    return APIS[record["api"]].make(base_url=base_url, **options)


def model_of(record):
    """Return the recorded model, which some providers route by."""
    named = (record["request"].get("json") or {}).get("model")
    in_path = re.search(r"/models/([^/:?]+)", urllib.parse.unquote(record["request"]["url"]))
    return named or (in_path and in_path[1]) or "test-model"


def chat_request(record):
    """Return a request that expects as many choices as the recorded one."""
    given = record["request"].get("json") or {}
    count = given.get("n") or (given.get("generationConfig") or {}).get("candidateCount") or 1
    options = ChatOptions(model=model_of(record), n=count if count > 1 else None)
    return ChatRequest([Message("user", "Hello")], options)


async def _chat(record, service):
    if not record["stream"]:
        return await service.chat(chat_request(record))
    async with await service.chat_stream(chat_request(record)) as stream:
        async for _ in stream:
            pass
        return stream.response


async def _embeddings(record, service):
    """Ask for as many vectors as were recorded."""
    given = record["request"].get("json") or {}
    texts = next((given[name] for name in ("input", "requests", "instances", "texts") if name in given), None)
    if texts is None:
        count = record["expected"].get("embeddings", {}).get("count", 1)
    else:
        count = len(texts) if isinstance(texts, list) and not (texts and isinstance(texts[0], int)) else 1
    return await service.embeddings(EmbeddingRequest(["text"] * count, model_of(record)))


async def _models(record, service):
    name = urllib.parse.urlsplit(record["request"]["url"]).path.rpartition("/")[2]
    if name in ("models", "tags"):
        return await service.list_models()
    return await service.get_model(urllib.parse.unquote(name))


async def _count(record, service):
    return await service.count_tokens(chat_request(record))


ASK = {"chat": _chat, "embeddings": _embeddings, "models": _models, "count": _count}


async def differences(record, service):
    """Ask `service` what the record was asked; return what it says differently."""
    api = APIS[record["api"]]
    result, error = None, None
    try:
        result = await ASK[api.ask](record, service)
    except AIClientError as failure:
        error = failure
    except Exception as bug:  # the other records are checked all the same
        return [("outcome", "an answer or a typed error", repr(bug))]
    return list(getattr(conformance_check, api.ask)(record, result, error, api.rules))


def stream_differences(record, **options):
    """Feed a recorded stream in several ways; return what comes out differently."""
    if not record["stream"] or record["response"]["status"] >= 400:
        return []
    events = APIS[record["api"]].rules.events
    return splits(body(record), chat_request(record), provider(record), events=events, **options)


class Seam:
    """Answers through `http_client=`."""

    async def __aenter__(self):
        import httpx

        def answer(_):
            response = self.record["response"]
            return httpx.Response(response["status"], headers=response["headers"], content=body(self.record))

        self._client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        return self

    async def __aexit__(self, *_):
        await self._client.aclose()

    def provider(self, record):
        self.record = record
        return provider(record, http_client=self._client)


class Loopback:
    """Answers over TCP; whole answers with a length, streams in chunks."""

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        self._tasks = set()
        self._providers = {}
        return self

    async def __aexit__(self, *_):
        for service in self._providers.values():
            await service.close()
        self._server.close()
        for task in list(self._tasks):
            await task  # each ends when its client, closed above, hangs up

    def provider(self, record):
        self.record = record
        if record["api"] not in self._providers:
            self._providers[record["api"]] = provider(record, base_url=self._url)
        return self._providers[record["api"]]

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                if lengths:
                    await reader.readexactly(int(lengths[0].partition(b":")[2]))
                writer.write(self._answer())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._tasks.discard(asyncio.current_task())
            writer.close()

    def _answer(self):
        response, content = self.record["response"], body(self.record)
        lines = [f"HTTP/1.1 {response['status']} Recorded", *(f"{k}: {v}" for k, v in response["headers"].items())]
        if not self.record["stream"]:
            return "\r\n".join([*lines, f"content-length: {len(content)}", "", ""]).encode() + content
        pieces = [content[start : start + 1024] for start in range(0, len(content), 1024)]
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        return "\r\n".join([*lines, "transfer-encoding: chunked", "", ""]).encode() + chunks + b"0\r\n\r\n"


async def check(folder, apis, *, loopback=False, with_splits=False, show=0, say=print):
    """Check the records of `apis`, all or every so many; return whether everything matched."""
    told = matched = shown = 0
    apart = collections.defaultdict(collections.Counter)  # what could not be compared: reason -> API -> number
    async with Loopback() if loopback else Seam() as peer:
        for api in apis:
            here = right = 0
            for record in records(folder, api):
                if api not in APIS:
                    apart[f"left out: {LEFT_OUT[api]}" if api in LEFT_OUT else "unknown to this script"][api] += 1
                elif not is_asked(record) or record["expected"] is None:
                    apart[UNTOLD if is_asked(record) else UNASKED][api] += 1
                else:
                    found = await differences(record, peer.provider(record))
                    if with_splits:
                        found += stream_differences(record)
                    here, right = here + 1, right + (not found)
                    if found and shown < show:
                        shown += 1
                        say(f"  {api} {record['id']}")
                        for what, expected, got in found:
                            say(f"    {what}: expected {str(expected)[:300]!r}, got {str(got)[:300]!r}")
            if api in APIS:
                say(f"{api} {right}/{here}")
            told, matched = told + here, matched + right
    for reason, counts in sorted(apart.items()):
        say(f"{reason}: {', '.join(f'{api} {count}' for api, count in counts.items())}")
    say(f"total {matched}/{told}")
    return told > 0 and matched == told


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--api", action="append", help="default: all of which the folder has recordings")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print the first N records that differ")
    parser.add_argument("--loopback", action="store_true", help="over real connections on 127.0.0.1")
    parser.add_argument("--splits", action="store_true", help="also split and cut every stream")
    given = parser.parse_args()
    available = in_folder(given.folder)
    unknown = sorted(set(given.api or ()) - set(available) - {"all"})
    if unknown:
        parser.error(f"no recordings of {', '.join(unknown)} in {given.folder}")
    apis = available if "all" in (given.api or ["all"]) else given.api
    matched = asyncio.run(check(given.folder, apis, loopback=given.loopback, with_splits=given.splits, show=given.show))
    sys.exit(0 if matched else 1)


if __name__ == "__main__":
    main()

"""Feed recorded exchanges with language-model services to the providers, and compare with what the vendors' SDKs make of them.

    python tests/conformance.py ../shared/wire [--api openai.chat]... [--show 5] [--loopback] [--splits]

Prints `<api> <matched>/<with ground truth>` per API and in total; records without ground truth are named beside it. Exits 0
only if everything matched. `--loopback` sends the same bytes over real connections on 127.0.0.1 instead of through
`http_client=`; `--splits` also feeds every stream in reads of 1, 7 and 64 bytes and cuts it at every event.
"""

import argparse
import asyncio
import base64
import collections
import gzip
import json
import pathlib
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import conformance_check
from conformance_splits import splits

from aiclient.errors import AIClientError
from aiclient.messages import Message
from aiclient.providers.compatible import CompatibleProvider
from aiclient.providers.openai import OpenAIProvider
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest

APIS = ("openai.chat", "openai.embeddings", "openai.models", "compat.chat")
"""What is checked when no --api is given."""

OTHER_PROTOCOLS = {
    "anthropic.models",
    "google.embeddings",
    "google.models",
    "ollama.chat",
    "ollama.models",
    "vertex.embeddings",
}

PROFILES = {
    "azure": "azure",
    "cerebras": "cerebras",
    "deepseek": "deepseek",
    "groq": "groq",
    "mistral": "mistral",
    "ollama": "ollama",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together": "together",
    "vercel_gateway": "vercel",
    "xai": "xai",
    "zai": "zai",
}


def records(folder, api):
    """Yield the records of one API."""
    path = pathlib.Path(folder) / f"{api}.jsonl.gz"
    if path.is_file():  # not every folder has recordings of every API
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def every_api(folder):
    """Return all APIs of the folder that speak OpenAI's chat, embeddings or models protocol."""
    names = sorted(path.name.removesuffix(".jsonl.gz") for path in pathlib.Path(folder).glob("*.jsonl.gz"))
    kinds = (".chat", ".openai_chat", ".embeddings", ".openai_embeddings", ".models")
    return [name for name in names if name.endswith(kinds) and name not in OTHER_PROTOCOLS]


def body(record):
    """Return the body of a record as it came over the wire."""
    response = record["response"]
    if response.get("body_encoding") == "base64":
        return base64.b64decode(response["body"])
    return response["body"].encode("utf-8", "surrogatepass")


def asked(record):
    """Return what the record asks for: chat, embeddings, models, or None for what no provider offers."""
    path = urllib.parse.urlsplit(record["request"]["url"]).path
    if record["request"]["method"] == "GET":
        before, _, name = path.rpartition("/")
        return "models" if name == "models" or before.endswith("/models") else None
    if path.endswith("/chat/completions") or record["api"].endswith((".chat", ".openai_chat")):
        return "chat"
    return "embeddings" if path.endswith("/embeddings") else None


def provider(record, **options):
    """Return the provider for a record's vendor."""
    base_url = options.pop("base_url", None)
    if record["vendor"] == "openai":
        return OpenAIProvider("sk-test-key", base_url=base_url or "https://api.openai.com/v1", **options)
    return CompatibleProvider(
        base_url or "https://service.test/v1",
        api_key="test-key",
        profile=PROFILES.get(record["vendor"]),
        name=record["vendor"],
        **options,
    )


def chat_request(record):
    """Return a request that expects as many choices as the recorded one."""
    count = (record["request"].get("json") or {}).get("n") or 1
    extra = {"openai": {"n": count}} if count > 1 else {}
    return ChatRequest([Message("user", "Hello")], ChatOptions(model="test-model", extra=extra))


async def _chat(record, service):
    if not record["stream"]:
        return await service.chat(chat_request(record))
    async with await service.chat_stream(chat_request(record)) as stream:
        async for _ in stream:
            pass
        return stream.response


async def _embeddings(record, service):
    given = (record["request"].get("json") or {}).get("input")
    if given is None:  # not recorded as JSON
        count = record["expected"].get("embeddings", {}).get("count", 1)
    else:
        count = len(given) if isinstance(given, list) and not (given and isinstance(given[0], int)) else 1
    return await service.embeddings(EmbeddingRequest(["text"] * count, "test-model"))


async def _models(record, service):
    name = urllib.parse.urlsplit(record["request"]["url"]).path.rpartition("/")[2]
    return await (service.list_models() if name == "models" else service.get_model(urllib.parse.unquote(name)))


ASK = {"chat": _chat, "embeddings": _embeddings, "models": _models}


async def differences(record, service):
    """Ask `service` what the record was asked; return what it says differently."""
    kind = asked(record)
    result, error = None, None
    try:
        result = await ASK[kind](record, service)
    except AIClientError as failure:
        error = failure
    except Exception as bug:  # the other records are checked all the same
        return [("outcome", "an answer or a typed error", repr(bug))]
    return list(getattr(conformance_check, kind)(record, result, error))


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
        if record["vendor"] not in self._providers:
            self._providers[record["vendor"]] = provider(record, base_url=self._url)
        return self._providers[record["vendor"]]

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
    """Check all records of `apis`; return whether everything matched."""
    total = collections.Counter()
    async with Loopback() if loopback else Seam() as peer:
        for api in apis:
            count = collections.Counter()
            for record in records(folder, api):
                if record["expected"] is None or asked(record) is None:
                    count["untold"] += 1
                    continue
                found = await differences(record, peer.provider(record))
                if with_splits and record["stream"] and record["response"]["status"] < 400:
                    found += splits(body(record), chat_request(record), provider(record))
                count["told"] += 1
                count["matched"] += not found
                if found and total["shown"] < show:
                    total["shown"] += 1
                    say(f"  {api} {record['id']}")
                    for what, expected, got in found:
                        say(f"    {what}: expected {str(expected)[:300]!r}, got {str(got)[:300]!r}")
            say(_line(api, count))
            total += count
    say(_line("total", total))
    return total["told"] > 0 and total["matched"] == total["told"]


def _line(name, count):
    line = f"{name} {count['matched']}/{count['told']}"
    return f"{line}, {count['untold']} without ground truth" if count["untold"] else line


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument(
        "--api", action="append", help=f"default: {', '.join(APIS)}; 'all' is everything in this protocol"
    )
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print the first N records that differ")
    parser.add_argument("--loopback", action="store_true", help="over real connections on 127.0.0.1")
    parser.add_argument("--splits", action="store_true", help="also split and cut every stream")
    given = parser.parse_args()
    apis = given.api or list(APIS)
    unknown = [api for api in given.api or () if api != "all" and not any(records(given.folder, api))]
    if unknown:
        parser.error(f"no recordings of {', '.join(unknown)} in {given.folder}")
    if "all" in apis:
        apis = every_api(given.folder)
    matched = asyncio.run(check(given.folder, apis, loopback=given.loopback, with_splits=given.splits, show=given.show))
    sys.exit(0 if matched else 1)


if __name__ == "__main__":
    main()

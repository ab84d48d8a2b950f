"""The recorded exchanges: all of them when they lie beside the repository, a few golden ones always."""

import asyncio
import importlib
import json
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).parent
WIRE = HERE.parent.parent / "shared" / "wire"
GOLDEN = sorted((HERE / "golden").glob("openai_*.json"))

pytestmark = pytest.mark.anyio

needs_recordings = pytest.mark.skipif(
    not WIRE.is_dir(), reason="the recorded exchanges are not beside this repository (../shared/wire)"
)


@pytest.fixture(scope="module")
def conformance():
    """The script beside this file, as a module."""
    sys.path.insert(0, str(HERE))
    try:
        yield importlib.import_module("conformance")
    finally:
        sys.path.remove(str(HERE))


def _record(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("seam", ["Seam", "Loopback"])
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
async def test_a_golden_exchange_is_read_as_the_sdk_reads_it(conformance, path, seam):
    record = _record(path)
    async with getattr(conformance, seam)() as peer:
        assert await conformance.differences(record, peer.provider(record)) == []


@pytest.mark.parametrize("path", [path for path in GOLDEN if "stream" in path.stem], ids=lambda path: path.stem)
async def test_a_golden_stream_may_be_split_and_cut_anywhere(conformance, path):
    record = _record(path)
    body = conformance.body(record)
    found = conformance.splits(body, conformance.chat_request(record), conformance.provider(record))
    assert found == []


@needs_recordings
@pytest.mark.parametrize("options", [{}, {"loopback": True}], ids=["through-a-client", "over-real-connections"])
async def test_every_recorded_exchange_is_read_as_the_sdk_reads_it(conformance, options):
    said = []
    matched = await conformance.check(WIRE, conformance.APIS, show=3, say=said.append, **options)
    assert matched, "\n".join(said)
    assert said[-1] == "total 1083/1083, 1 without ground truth"


@needs_recordings
async def test_every_compatible_service_is_read_as_the_sdk_reads_it(conformance):
    said = []
    assert await conformance.check(WIRE, conformance.every_api(WIRE), show=3, say=said.append), "\n".join(said)


@needs_recordings
@pytest.mark.parametrize(
    ("sizes", "cut", "every"), [((1,), False, 4), ((7, 64), False, 1), ((), True, 2)], ids=["bytes", "reads", "cuts"]
)
def test_recorded_streams_may_be_split_and_cut_anywhere(conformance, sizes, cut, every):
    """A selection (`conformance.py --splits` does all of them), chosen by number so that every service is in it."""

    async def differing():
        streams = (
            record
            for api in conformance.every_api(WIRE)
            for record in conformance.records(WIRE, api)
            if record["stream"]
        )
        return [
            (record["id"], found)
            for number, record in enumerate(streams)
            if number % every == 0
            and record["response"]["status"] < 400
            and (
                found := conformance.splits(
                    conformance.body(record),
                    conformance.chat_request(record),
                    conformance.provider(record),
                    sizes=sizes,
                    cut=cut,
                )
            )
        ]

    assert asyncio.run(differing()) == []

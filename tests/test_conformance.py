"""The recorded exchanges: all of them when they lie beside the repository, a few golden ones always."""

import asyncio
import importlib
import json
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).parent
WIRE = HERE.parent.parent / "shared" / "wire"


def _record(path):
    return json.loads(path.read_text(encoding="utf-8"))


GOLDEN = [path for path in sorted((HERE / "golden").rglob("*.json")) if _record(path)["expected"] is not None]

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


def _id(path):
    return path.relative_to(HERE / "golden").with_suffix("").as_posix()


@pytest.mark.parametrize("seam", ["Seam", "Loopback"])
@pytest.mark.parametrize("path", GOLDEN, ids=_id)
async def test_a_golden_exchange_is_read_as_the_sdk_reads_it(conformance, path, seam):
    record = _record(path)
    async with getattr(conformance, seam)() as peer:
        assert await conformance.differences(record, peer.provider(record)) == []


@pytest.mark.parametrize("path", [path for path in GOLDEN if "stream" in path.stem], ids=_id)
async def test_a_golden_stream_may_be_split_and_cut_anywhere(conformance, path):
    assert conformance.stream_differences(_record(path)) == []


def test_every_api_is_checked_or_left_out_for_a_reason(conformance):
    assert not set(conformance.APIS) & set(conformance.LEFT_OUT)
    assert all(conformance.LEFT_OUT.values())


@needs_recordings
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="through-a-client"),
        pytest.param({"loopback": True}, id="over-real-connections", marks=pytest.mark.slow),
    ],
)
async def test_every_recorded_exchange_is_read_as_the_sdk_reads_it(conformance, options):
    said = []
    matched = await conformance.check(WIRE, conformance.in_folder(WIRE), show=3, say=said.append, **options)
    assert matched, "\n".join(said)
    assert not [line for line in said if line.startswith("unknown")]
    right, told = map(int, said[-1].removeprefix("total ").split("/"))
    assert right == told >= 4268


def _streams(conformance):
    """The recorded streams; each API is counted from its first, so that a selection has some of all."""
    for api in conformance.APIS:
        yield from enumerate(record for record in conformance.records(WIRE, api) if record["stream"])


def _differing(conformance, *, every=1, **options):
    async def differing():
        return [
            (record["id"], found)
            for number, record in _streams(conformance)
            if number % every == 0 and (found := conformance.stream_differences(record, **options))
        ]

    return asyncio.run(differing())


@needs_recordings
@pytest.mark.parametrize(
    ("sizes", "cut", "every"), [((1,), False, 96), ((7, 64), False, 48), ((), True, 96)], ids=["bytes", "reads", "cuts"]
)
def test_some_recorded_streams_may_be_split_and_cut_anywhere(conformance, sizes, cut, every):
    assert _differing(conformance, sizes=sizes, cut=cut, every=every) == []


@pytest.mark.slow
@needs_recordings
def test_many_recorded_streams_may_be_split_and_cut_anywhere(conformance):
    """What `conformance.py --splits` does, for every third."""
    assert _differing(conformance, every=3) == []

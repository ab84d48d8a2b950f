"""client.status(): what the layers know is found on every way, nothing is sent unless asked, nothing brings it down."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import pytest

from aiclient.abilities import Health
from aiclient.client import AsyncClient
from aiclient.composition import Destination, Reports
from aiclient.errors import AIClientError, ConfigError, UnsupportedFeatureError
from aiclient.layer import Layer
from aiclient.ledger.ledger import Ledger
from aiclient.middleware import (
    Budget,
    CircuitBreaker,
    Concurrency,
    Fallback,
    LoadBalance,
    MemoryMetrics,
    Metrics,
    RateLimit,
    Retry,
    Target,
)
from aiclient.priority import failover
from aiclient.provider import ProviderInfo
from aiclient.providers import CompatibleProvider
from aiclient.sync.client import Client
from aiclient.testutil import LoopbackServer, fixtures
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio


class Asked(MockProvider):
    """A provider that says how it is, and remembers it."""

    def __init__(self, name, found="ok", last=None):
        super().__init__(name=name)
        self.found, self.last_health, self.asked = found, last, 0

    async def health(self):
        self.asked += 1
        if isinstance(self.found, Exception):
            raise self.found
        if self.found == "hang":
            await asyncio.get_running_loop().create_future()
        return Health(self.found == "ok", 0.1, datetime.now(UTC), None if self.found == "ok" else self.found)


class Says(Layer):
    """Reports something under a section of its own."""

    def __init__(self, what):
        self.what = what

    def report(self, service):
        if isinstance(self.what, Exception):
            raise self.what
        return {"notes": [{"model": None, "what": self.what, "of": service.provider}]}


async def failing(client, calls=1):
    for _ in range(calls):
        with pytest.raises(AIClientError):
            await client.chat("hi")


# --- what layers know ---


async def test_of_a_bare_client_the_services_are_named():
    status = await AsyncClient(MockProvider(name="p", model="m")).status()
    (service,) = status.services
    assert (status.state, status.in_flight, service.provider, service.model, service.details) == ("ok", 0, "p", "m", {})


async def test_circuit_limits_metrics_and_cost_come_together(clock):
    mock = MockProvider(["Paris", fixtures.server_error(), fixtures.server_error()], name="p")
    metrics, breaker = Metrics(MemoryMetrics(clock=clock)), CircuitBreaker(failures=2)
    layers = [metrics, breaker, RateLimit(requests=10), Concurrency(4)]
    client = AsyncClient(mock, clock=clock, prices={"mock-model": {"input": 1, "output": 1}}).use(*layers)
    await client.chat("Capital of France?")
    await failing(client, 3)
    status = await client.status()
    (service,) = status.services
    assert (status.state, status.ok, service.reasons) == ("down", False, ("its circuit is open",))
    assert service.breaker == "open" and 0 < service.retry_after <= 6
    assert (service.last_error, service.last_error_at) == ("server", clock.time())
    assert service.success_rate == pytest.approx(1 / 3) and service.duration["count"] == 3
    assert (service.headroom["requests"], service.headroom["permits"]) == (7, 4)
    assert service.spend_usd > 0
    assert set(service.details) == {"metrics", "breaker", "rate_limit", "concurrency"}
    assert json.loads(json.dumps(status.to_dict()))["services"][0]["details"]["breaker"][0]["state"] == "open"


async def test_what_a_budget_has_counted_is_the_spend_however_many_budgets_there_are():
    a, b = MockProvider(fixtures.server_error(), name="a"), MockProvider("two words", name="b")
    prices = {"mock-model": {"input": 1, "output": 1_000_000}}
    ledger = Ledger()
    client = AsyncClient(a, prices=prices).use(
        Budget(usd=9, ledger=ledger), Budget(tokens=99, ledger=ledger), Fallback(b)
    )
    await client.new_request().user("hi").max_tokens(3).do()
    first, second = (await client.status()).services
    assert (first.spend_usd, round(second.spend_usd, 2)) == (0, 2)
    assert [entry["failed"] for entry in first.details["spend"]] == [1, 1]
    assert json.loads(json.dumps(second.to_dict()))["details"]["spend"][0]["usd"].startswith("2.0")


async def test_a_service_that_recovers_is_well_again(clock):
    mock = MockProvider([fixtures.server_error(), "Paris"])
    client = AsyncClient(mock, clock=clock).use(CircuitBreaker(failures=1, jitter=0))
    await failing(client)
    assert (await client.status()).state == "down"
    clock.advance(5)
    await client.chat("hi")
    assert (await client.status()).state == "ok"


async def test_each_target_of_a_fallback_stands_for_itself_and_layers_outside_speak_of_each():
    breaker, metrics = CircuitBreaker(failures=1), Metrics(MemoryMetrics())
    a, b = MockProvider(fixtures.server_error(), name="a"), MockProvider("Paris", name="b", model="other")
    client = AsyncClient(a).use(metrics, Fallback(b, each=[breaker]), breaker)
    await client.chat("hi")
    status = await client.status()
    assert status.state == "degraded" and status.ok
    assert [(one.provider, one.ok, one.breaker) for one in status.services] == [
        ("a", False, "open"),
        ("b", True, "closed"),
    ]
    assert [one.success_rate for one in status.services] == [0.0, 1.0]
    assert [len(one.details["breaker"]) for one in status.services] == [1, 1]


async def test_two_credentials_of_one_service_are_not_taken_for_each_other():
    one, other = MockProvider(fixtures.server_error(), name="p"), MockProvider("hi", name="p")
    one.info, other.info = (ProviderInfo("p", origin="https://p", model="m", scope=scope) for scope in "ab")
    breaker = CircuitBreaker(failures=1)
    mine, theirs = AsyncClient(one).use(breaker), AsyncClient(other).use(breaker)
    await failing(mine)
    assert [(await client.status()).services[0].breaker for client in (mine, theirs)] == ["open", "closed"]


async def test_a_provider_with_two_models_is_one_service(clock):
    mock = MockProvider(fixtures.server_error(), name="p", model="large")
    breaker = CircuitBreaker(failures=1)
    client = AsyncClient(mock, clock=clock).use(Fallback(Target(mock, model="small"), each=[breaker]), breaker)
    await failing(client)
    (service,) = (await client.status()).services
    assert (service.model, [entry["model"] for entry in service.details["breaker"]]) == ("large", ["large", "small"])


async def test_models_that_requests_name_are_seen_too():
    client = AsyncClient(MockProvider("hi", model=None)).use(Concurrency(2), RateLimit(requests=3))
    for model in ("x", "y"):
        await client.new_request().model(model).user("hi").do()
    (service,) = (await client.status()).services
    assert [entry["model"] for entry in service.details["rate_limit"]] == ["x", "y"]
    assert service.headroom["requests"] == 2


@pytest.mark.parametrize(
    "chain",
    [
        lambda: AsyncClient(AsyncClient(MockProvider(name="a"))).use(LoadBalance(MockProvider(name="b"))),
        lambda: AsyncClient(failover([MockProvider(name="a"), MockProvider(name="b")])),
        lambda: AsyncClient(MockProvider(name="a")).use(Fallback(AsyncClient(MockProvider(name="b")).use(Retry()))),
    ],
    ids=["balance", "failover", "client"],
)
async def test_every_branch_is_looked_into(chain):
    assert [service.provider for service in (await chain().status()).services] == ["a", "b"]


async def test_a_layer_of_ones_own_takes_part_with_a_section_of_its_own():
    client = AsyncClient(MockProvider(name="p")).use(layer := Says("hello"))
    (service,) = (await client.status()).services
    assert isinstance(layer, Reports)
    assert service.details == {"notes": [{"model": None, "what": "hello", "of": "p"}]}


async def test_a_layer_that_cannot_say_keeps_no_other_quiet():
    client = AsyncClient(MockProvider()).use(Says(KeyError("secret")), Says("hello"))
    (service,) = (await client.status()).services
    assert service.details["errors"] == [{"layer": "Says", "error": "KeyError"}]
    assert service.details["notes"][0]["what"] == "hello"


class Misplaced(Says):
    """Reports its own things under a name of the library's."""

    def report(self, service):
        return self.what


@pytest.mark.parametrize(
    "said",
    [{"breaker": ["open"]}, {"spend": [{"usd": "5 USD"}]}, {"metrics": [{"duration": {"count": "many"}}]}],
)
async def test_what_a_layer_says_under_a_name_of_ours_and_cannot_be_read_keeps_no_other_quiet(said):
    client = AsyncClient(MockProvider()).use(Misplaced(said), Says("hello"))
    (service,) = (await client.status()).services
    assert [failed["layer"] for failed in service.details["errors"]] == ["Misplaced"]
    assert service.details["notes"][0]["what"] == "hello" and service.ok


async def test_calls_under_way_are_counted():
    async def slow(_):
        await asyncio.get_running_loop().create_future()

    client = AsyncClient(MockProvider(slow)).use(Concurrency(1))
    calls = [asyncio.ensure_future(client.chat("hi")) for _ in range(3)]
    for _ in range(10):
        await asyncio.sleep(0)
    status = await client.status()
    assert (status.in_flight, status.services[0].headroom["permits"], status.services[0].headroom["waiting"]) == (
        3,
        0,
        2,
    )
    await client.close()
    assert [type(result).__name__ for result in await asyncio.gather(*calls, return_exceptions=True)] == [
        "ClientClosedError"
    ] * 3


async def test_a_collector_that_keeps_nothing_says_nothing():
    class Collector(MemoryMetrics):
        report = None

    client = AsyncClient(MockProvider()).use(Metrics(Collector()))
    await client.chat("hi")
    assert (await client.status()).services[0].details == {}


def test_one_destination_is_of_a_service_whatever_its_model():
    service = Destination("p", "https://p", "scope")
    assert service._replace(model="m").is_of(service)
    assert not Destination("p", "https://p", "other").is_of(service)


# --- health ---


async def test_what_was_known_is_told_and_nothing_is_sent():
    known = Health(False, 0.1, datetime.now(UTC), "server")
    a = Asked("a", last=known)
    client = AsyncClient(a).use(Fallback(Asked("b")))
    status = await client.status()
    assert [service.health for service in status.services] == [known, None] and a.asked == 0
    assert status.services[0].reasons == ("it is not well (server)",)


async def test_when_asked_each_service_is_asked_once():
    a, b, mute = Asked("a"), Asked("b", "authentication"), Asked("c", UnsupportedFeatureError("no"))
    client = AsyncClient(a).use(Fallback(b, Target(a, model="m"), mute, MockProvider(name="d")))
    status = await client.status(ask=True)
    assert [service.asked for service in (a, b, mute)] == [1, 1, 1]
    assert [service.health and service.health.ok for service in status.services] == [True, False, None, None]
    assert (status.state, status.services[1].reasons) == ("degraded", ("it is not well (authentication)",))


@pytest.mark.parametrize("crash", [RuntimeError("bug"), fixtures.overloaded()], ids=repr)
async def test_a_service_that_crashes_when_asked_is_not_well(crash):
    (service,) = (await AsyncClient(Asked("a", crash)).status(ask=True)).services
    assert not service.ok and service.health.category in ("other", "overloaded")


async def test_a_service_that_hangs_is_not_well_when_its_time_is_over():
    clock = FakeClock(start=datetime.now(UTC).timestamp(), auto=False)
    task = asyncio.ensure_future(AsyncClient(Asked("a", "hang"), clock=clock).status(ask=True, timeout=2))
    for _ in range(10):
        await asyncio.sleep(0)
    clock.advance(2)
    (service,) = (await task).services
    assert (service.reasons, service.health.latency, clock.pending) == (("it is not well (timeout)",), 2.0, 0)


async def test_a_provider_over_http_remembers_how_its_service_was():
    with LoopbackServer() as server:
        async with AsyncClient(CompatibleProvider(server.base_url, model="m")) as client:
            assert (await client.status()).services[0].health is None and server.requests == []
            asked = await client.status(ask=True)
            assert asked.services[0].health.ok and len(server.requests) == 1
            assert (await client.status()).services[0].health == asked.services[0].health
            assert len(server.requests) == 1


async def test_a_cancellation_while_services_are_asked_goes_through(at_every_step):
    def scene():
        clock = FakeClock(auto=False)

        def verify(task):
            assert clock.pending == 0 and (task.cancelled() or task.result().ok)

        return AsyncClient(Asked("a"), clock=clock).use(Fallback(Asked("b"))).status(ask=True), verify

    assert await at_every_step(scene) > 5


# --- clients ---


async def test_a_closed_client_says_so():
    client = AsyncClient(MockProvider())
    await client.close()
    status = await client.status(ask=True)
    assert (status.ok, status.state, status.services) == (False, "closed", ())


def test_a_sync_client_says_the_same():
    with Client(Asked("a")).use(RateLimit(requests=2)) as client:
        client.chat("hi")
        status = client.status(ask=True)
    assert status.services[0].health.ok and status.services[0].headroom["requests"] == 1


@pytest.mark.parametrize("options", [{"ask": 1}, {"timeout": 0}, {"timeout": "1"}, {"timeout": float("inf")}])
async def test_a_wrong_option_is_refused(options):
    with pytest.raises(ConfigError, match=f"{next(iter(options))}="):
        await AsyncClient(MockProvider()).status(**options)

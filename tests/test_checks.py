"""Preflight: every service is looked at, each finding is a result, and nothing secret is in any."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime

import pytest

from aiclient.abilities import Health, KeyCheck, ListedModel
from aiclient.checks import CheckReport, CheckResult, check
from aiclient.client import AsyncClient
from aiclient.errors import (
    AuthenticationError,
    ClientClosedError,
    ConfigError,
    MissingAPIKeyError,
    OverloadedError,
)
from aiclient.middleware import Fallback, LoadBalance, Retry, Target
from aiclient.providers import (
    AnthropicProvider,
    AzureOpenAIProvider,
    BedrockProvider,
    CompatibleProvider,
    GeminiProvider,
    OpenAIProvider,
    VertexProvider,
)
from aiclient.sync.client import Client
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

FOUND = KeyCheck(found=True)
NOW = datetime(2026, 11, 28, tzinfo=UTC)
KEY = "sk-proj-" + "Canary12" * 10


class Service(MockProvider):
    """A provider that can be checked, and is well unless told otherwise."""

    def __init__(self, name="mock", model="m-1", *, key=FOUND, health="ok", models=("m-1", "m-2")):
        super().__init__(name=name, model=model)
        self._key, self._health, self._models = key, health, models
        self.asked = []

    async def check_key(self):
        self.asked.append("key")
        return await self._given(self._key)

    async def health(self):
        self.asked.append("health")
        found = await self._given(self._health)
        return Health(found == "ok", 0.25, NOW, None if found == "ok" else found)

    async def list_models(self):
        self.asked.append("models")
        return [ListedModel(name) for name in await self._given(self._models)]

    async def _given(self, value):
        if isinstance(value, Exception):
            raise value
        if value == "hang":
            await asyncio.get_running_loop().create_future()
        return value


def told(report):
    return [(result.provider, result.name, result.ok) for result in report.results]


async def only(provider, name, **options):
    """The one result of that name."""
    (result,) = [result for result in (await check(provider, **options)).results if result.name == name]
    return result


# --- services ---


async def test_a_service_that_is_well_passes_key_reach_and_model():
    report = await check(Service("a"))
    assert report.ok and report.failed == ()
    assert [(result.name, result.message) for result in report.results] == [
        ("key", "it is there"),
        ("reachable", "it answered in 0.25 s"),
        ("model", "m-1: among its 2 models"),
    ]


async def test_every_service_of_every_branch_is_looked_at_once_and_all_at_once():
    a, b, c = Service("a"), Service("b"), Service("c", model=None)
    client = AsyncClient(a).use(Fallback(Target(c, model="m-2"), b, Target(a, model="m-9"), each=[Retry()]), Retry())
    report = await client.check()
    assert [provider for provider, name, _ in told(report) if name == "key"] == ["a", "c", "b"]
    assert [service.asked for service in (a, b, c)] == [["key", "health", "models"]] * 3
    (failed,) = report.failed
    assert failed.provider == "a" and failed.message.startswith("m-9 is not among its 2 models")


async def test_arms_of_a_balance_and_clients_inside_clients_are_looked_into():
    inner = AsyncClient(Service("inner"))
    report = await check(LoadBalance(Service("arm"))(inner))
    assert {result.provider for result in report.results} == {"inner", "arm"}


async def test_a_missing_key_ends_the_checks_of_its_service_alone():
    bad = Service("bad", key=KeyCheck(found=False, errors=("no API key for bad: set BAD_KEY",)))
    report = await check(Fallback(Service("good"))(bad))
    assert told(report) == [
        ("bad", "key", False),
        ("good", "key", True),
        ("good", "reachable", True),
        ("good", "model", True),
    ]
    assert not report.ok and bad.asked == ["key"] and report.failed[0].message == "no API key for bad: set BAD_KEY"


async def test_a_doubtful_key_is_tried_all_the_same():
    report = await check(Service(key=KeyCheck(found=True, warnings=("the key looks odd",))))
    assert report.ok and len(report.results) == 3 and report.results[0].warnings == ("the key looks odd",)


async def test_where_none_is_needed_a_missing_key_is_right():
    assert (await only(Service(key=KeyCheck(found=False)), "key")).message == "none is needed"


@pytest.mark.parametrize(
    ("category", "ok", "words"),
    [
        ("authentication", False, "the service refuses the key (authentication)"),
        ("connection", False, "the service cannot be reached (connection)"),
        ("quota", False, "no credit left"),
        ("server", False, "the service fails (server)"),
        ("other", False, "the service fails (other)"),
        ("rate_limit", True, "it answers, and limits our requests"),
        ("not_found", True, "check base_url"),
    ],
)
async def test_what_keeps_a_service_from_answering_is_said(category, ok, words):
    result = await only(Service(health=category), "reachable")
    assert result.ok is ok and words in result.message and (result.warnings if ok else result.errors)


async def test_what_cannot_be_reached_is_not_asked_for_its_models():
    service = Service(health="connection")
    assert len((await check(service)).results) == 2 and service.asked == ["key", "health"]


@pytest.mark.parametrize(
    ("model", "listed"),
    [
        ("m", ["m"]),
        ("models/m", ["m"]),
        ("llama3", ["llama3:latest"]),
        ("vendor/m:free", ["vendor/m"]),
        ("claude-sonnet-4-5", ["claude-sonnet-4-5-20250929"]),
        ("gpt-5-mini", ["gpt-5-mini-2025-08-07"]),
        ("claude-3-7-sonnet-latest", ["claude-3-7-sonnet-20250219"]),
    ],
)
async def test_a_model_is_found_under_each_of_its_names(model, listed):
    assert (await only(Service(model=model, models=listed), "model")).ok


@pytest.mark.parametrize(
    ("model", "listed", "message"),
    [
        (
            "gpt-5-min",
            ["gpt-5-mini", "whisper", "gpt-5"],
            "gpt-5-min is not among its 3 models: did you mean gpt-5-mini, gpt-5?",
        ),
        ("llama3:8b", ["llama3:70b"], "llama3:8b is not among its 1 models: did you mean llama3:70b?"),
        ("gpt-5", ["gpt-5-mini"], "gpt-5 is not among its 1 models: did you mean gpt-5-mini?"),
        ("claude", ["whisper"], "claude is not among its 1 models"),
    ],
)
async def test_a_model_that_is_not_there_fails_with_those_that_are_near(model, listed, message):
    result = await only(Service(model=model, models=listed), "model")
    assert not result.ok and result.errors == (message,)


async def test_of_several_models_each_is_named():
    service = Service(models=("m-1", "m-2", "m-3"))
    report = await check(Fallback(Target(service, model="m-2"))(service))
    assert report.results[-1].message == "m-1, m-2: among its 3 models"


async def test_the_variant_of_a_model_is_what_stands_behind_the_first_colon():
    assert (await only(Service(model="vendor/m:free:online", models=["vendor/m"]), "model")).ok


@pytest.mark.parametrize(
    ("service", "warning"),
    [
        (Service(model=None), "no default model: every request must name one"),
        (Service(models=()), "its list of models is empty"),
        (MockProvider(model="m"), "it does not list its models"),
    ],
)
async def test_what_cannot_be_found_out_of_a_model_is_a_warning(service, warning):
    result = await only(service, "model")
    assert result.ok and result.warnings == (warning,)


async def test_a_provider_without_abilities_has_its_configuration_checked():
    report = await check(MockProvider())
    assert told(report) == [("mock", "config", True), ("mock", "reachable", True), ("mock", "model", True)]
    assert [result.message for result in report.results] == [
        "nothing is missing",
        "it cannot be asked without a call",
        "mock-model; it does not list its models",
    ]
    assert report.results[1].warnings == ("it cannot be asked without a call",)


async def test_a_configuration_that_is_wrong_fails():
    class Wrong(MockProvider):
        def validate_config(self):
            raise MissingAPIKeyError("no API key for wrong")

    report = await check(Wrong())
    assert [(result.name, result.message) for result in report.results] == [
        ("config", "MissingAPIKeyError: no API key for wrong")
    ]


@pytest.mark.parametrize("stage", ["key", "health", "models"])
@pytest.mark.parametrize("crash", [RuntimeError("bug"), OverloadedError("busy"), ValueError()], ids=repr)
async def test_a_check_that_crashes_is_a_failed_result(stage, crash):
    report = await check(Fallback(Service("other"))(Service("bad", **{stage: crash})))
    (failed,) = report.failed
    assert failed.provider == "bad" and failed.message.startswith(type(crash).__name__)
    assert len([result for result in report.results if result.provider == "other"]) == 3


@pytest.mark.parametrize("stage", ["key", "health", "models"])
async def test_a_check_that_hangs_fails_when_its_time_is_over(stage, still):
    task = asyncio.ensure_future(check(Service("slow", **{stage: "hang"}), timeout=3, clock=still))
    await ticks(20)
    still.advance(2.9)
    await ticks(20)
    assert not task.done()
    still.advance(0.2)
    (failed,) = (await task).failed
    assert failed.message == "no result within 3 s" and still.pending == 0


async def ticks(count):
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_cancellation_at_any_step_goes_through_and_leaves_no_timer(at_every_step):
    def scene():
        clock = FakeClock(auto=False)

        async def slow():
            await asyncio.sleep(0)

        def verify(task):
            assert clock.pending == 0
            assert task.cancelled() or task.result().ok

        return check(Fallback(Service("b"))(Service("a")), extra=[slow], clock=clock), verify

    assert await at_every_step(scene) > 10


# --- checks of one's own ---


def fine():
    return None


async def fine_too():
    await asyncio.sleep(0)
    return True


def no_words():
    return False


async def words():
    return "the disk is full"


def crashes():
    raise KeyError("no such thing")


def odd():
    return 3


def full():
    return CheckResult(name="disk", ok=True, message="90 % used", warnings=("90 % used",))


async def test_checks_of_ones_own_come_last_in_order_whatever_they_do():
    report = await check(Service(), extra=[fine, fine_too, no_words, words, crashes, odd, full])
    assert [(result.name, result.ok, result.message) for result in report.results[3:]] == [
        ("fine", True, "it found nothing wrong"),
        ("fine_too", True, "it found nothing wrong"),
        ("no_words", False, "it found something wrong"),
        ("words", False, "the disk is full"),
        ("crashes", False, "KeyError: 'no such thing'"),
        ("odd", False, "it returned int: a check returns None, True, False, a text or a CheckResult"),
        ("disk", True, "90 % used"),
    ]


async def test_a_plain_check_holds_nobody_up_and_is_given_up_when_its_time_is_over(still):
    go_on, begun = threading.Event(), threading.Event()

    def blocks():
        begun.set()
        go_on.wait(30)

    task = asyncio.ensure_future(check(Service(), extra=[blocks], timeout=3, clock=still))
    await asyncio.to_thread(begun.wait, 30)
    still.advance(3)
    (failed,) = (await task).failed
    go_on.set()
    assert (failed.name, failed.message) == ("blocks", "no result within 3 s")


async def test_what_a_check_waited_for_being_cancelled_is_its_result_and_cancels_nobody():
    async def waits():
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    (result,) = (await check(Service(), extra=[waits])).failed
    assert (result.name, result.errors) == ("waits", ("CancelledError",))


async def test_an_object_with_an_async_call_is_a_check_too():
    class Disk:
        async def __call__(self):
            return "full" if threading.current_thread() is threading.main_thread() else "on a thread"

    report = await check(Service(), extra=[Disk(), lambda: words()])
    assert [(result.name, result.message) for result in report.failed] == [
        ("Disk", "full"),
        ("<lambda>", "the disk is full"),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 0}, "timeout=0 must be a finite number of seconds above 0"),
        ({"timeout": float("inf")}, "must be a finite number"),
        ({"timeout": "1"}, "must be a finite number"),
        ({"timeout": True}, "must be a finite number"),
        ({"extra": ["disk"]}, "extra holds str: each check must be a function without arguments"),
    ],
)
async def test_a_wrong_option_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        await check(Service(), **options)


# --- the report ---


def test_a_report_prints_as_lines_and_saves_as_json():
    report = CheckReport(
        (
            CheckResult(name="key", provider="openai", message="it is there"),
            CheckResult(name="reachable", provider="openai", message="hm", warnings=("hm",)),
            CheckResult(name="disk", ok=False, message="full", errors=("full",)),
        )
    )
    assert str(report).splitlines() == [
        "ok     openai       key        it is there",
        "ok?    openai       reachable  hm",
        "FAILED -            disk       full",
    ]
    saved = json.loads(json.dumps(report.to_dict()))
    assert saved["ok"] is False and saved["checks"][1:] == [
        {
            "name": "reachable",
            "provider": "openai",
            "ok": True,
            "message": "hm",
            "errors": [],
            "warnings": ["hm"],
        },
        {"name": "disk", "provider": None, "ok": False, "message": "full", "errors": ["full"], "warnings": []},
    ]


# --- clients ---


async def test_a_client_checks_on_its_own_clock(still):
    client = AsyncClient(Service(health="hang"), clock=still)
    task = asyncio.ensure_future(client.check(timeout=1))
    await ticks(20)
    still.advance(1)
    assert [result.name for result in (await task).failed] == ["reachable"]


async def test_a_closed_client_checks_nothing():
    client = AsyncClient(service := Service())
    await client.close()
    with pytest.raises(ClientClosedError):
        await client.check()
    assert service.asked == []


def test_a_sync_client_checks_too_and_a_check_may_use_it():
    with Client(Service("a")) as client:
        report = client.check(extra=[lambda: client.chat("hi").message.content != "Mock response"])
    assert told(report)[:3] == [("a", "key", True), ("a", "reachable", True), ("a", "model", True)]
    assert [result.message for result in report.failed] == ["it found something wrong"]


# --- providers over HTTP ---


@pytest.mark.parametrize(
    ("provider", "warned"),
    [
        (lambda: OpenAIProvider(KEY), ""),
        (lambda: OpenAIProvider("Canary12Canary12"), "does not look like one of OpenAI's"),
        (lambda: OpenAIProvider("Canary12", base_url="https://proxy.example/v1"), ""),
        (lambda: AnthropicProvider("sk-ant-Canary12"), "does not look like one of Anthropic's"),
        (lambda: GeminiProvider("AIza" + "Canary1" * 5), "is a standard key"),
        (lambda: AzureOpenAIProvider("https://x.openai.azure.com", api_key="Canary12"), "one of Azure's"),
        (lambda: AzureOpenAIProvider("https://gateway.example", api_key="Canary12"), ""),
        (lambda: BedrockProvider("us-east-1", credentials=("Canary12", "Canary12")), "AKIA or ASIA"),
        (lambda: BedrockProvider("us-east-1", bearer_token="Canary12"), ""),
        (lambda: VertexProvider("p", credentials=lambda: "Canary12"), ""),
        (lambda: CompatibleProvider("https://x.example/v1", api_key="gsk_Canary12"), "looks like one of Groq's"),
        (lambda: CompatibleProvider("https://x.example/v1", api_key="gsk_Canary12", name="groq"), ""),
        (lambda: CompatibleProvider("https://api.groq.com/v1", api_key="gsk_Canary12", name="fast"), ""),
    ],
)
async def test_a_provider_looks_at_the_form_of_its_key_and_shows_none_of_it(provider, warned):
    found = await provider().check_key()
    assert found.found and found.errors == ()
    assert warned in "".join(found.warnings) and bool(found.warnings) == bool(warned)
    assert "Canary" not in repr(found)


@pytest.mark.parametrize(
    ("provider", "found", "words"),
    [
        (lambda: OpenAIProvider(), False, "set OPENAI_API_KEY or pass api_key="),
        (lambda: OpenAIProvider("sk-ant-Canary12"), True, "is one of Anthropic's and would be shown to OpenAI"),
        (lambda: OpenAIProvider("Canary 12"), True, "holds white space"),
        (lambda: CompatibleProvider("http://x.example/v1", api_key="Canary12"), True, "http"),
    ],
)
async def test_a_key_that_cannot_be_sent_is_an_error(provider, found, words, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    result = await provider().check_key()
    assert result.found is found and words in result.errors[0] and "Canary" not in repr(result)


async def test_a_key_is_asked_for_where_a_callable_gives_it():
    async def vault():
        raise AuthenticationError("the vault is sealed")

    assert (await OpenAIProvider(vault).check_key()).errors == ("the vault is sealed",)
    assert (await OpenAIProvider(lambda: KEY).check_key()).warnings == ()


async def test_a_callable_that_crashes_with_the_key_in_its_words_shows_none_of_it():
    def vault():
        raise ValueError(f"cannot parse {KEY}")

    (failed,) = (await check(OpenAIProvider(vault, model="m"))).failed
    assert failed.message == "ValueError: cannot parse ***"


async def test_without_a_key_where_none_is_needed_nothing_is_wrong():
    assert await CompatibleProvider("http://127.0.0.1:1/v1").check_key() == KeyCheck(found=False)

"""Preflight: whether every service that a chain may reach could answer, found out before it has to."""

from __future__ import annotations

import asyncio
import difflib
import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

from attrs import evolve, frozen

from .abilities import Checks, ChecksKey, Health, ListsModels
from .clock import SYSTEM, Clock
from .composition import reached
from .errors import AIClientError, Category, ConfigError
from .gate import Alarm
from .provider import Provider
from .redaction import clean

__all__ = ["CheckReport", "CheckResult", "OwnCheck", "check"]

OwnCheck: TypeAlias = Callable[[], object]
"""A check of one's own, sync or async: it returns None or True, or says what is wrong by a text, False, or an exception; or
returns a CheckResult."""

_LONGEST: Final = 500
"""Characters of what an error says."""

_DATED: Final = re.compile(r"-(?:\d{8}|\d{4}-\d\d-\d\d|latest)")
"""What a model's dated name has behind its short one."""


@frozen(kw_only=True)
class CheckResult:
    """What one check found.

    Args:
        name: `key`, `config`, `reachable`, `model`, or that of a check of one's own.
        provider: Whose; None for a check of one's own.
        ok: Whether nothing stands against a call.
        message: The finding in a sentence; it holds no secret.
        errors: Why it is not ok.
        warnings: What may be wrong, or could not be found out.
    """

    name: str
    provider: str | None = None
    ok: bool = True
    message: str = ""
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def mark(self) -> str:
        """The finding in a word: `ok`, `ok?` with warnings, `FAILED`."""
        return "FAILED" if not self.ok else "ok?" if self.warnings else "ok"

    def __str__(self) -> str:
        return f"{self.mark:<7}{self.provider or '-':<12} {self.name:<10} {self.message}"

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict for JSON."""
        found = {"name": self.name, "provider": self.provider, "ok": self.ok, "message": self.message}
        return {**found, "errors": list(self.errors), "warnings": list(self.warnings)}


@frozen
class CheckReport:
    """What all checks found, in order: provider by provider, then one's own.

    `print(report)` gives a line for each.
    """

    results: tuple[CheckResult, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing stands against a call; warnings do not."""
        return not self.failed

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """Those that found errors."""
        return tuple(result for result in self.results if not result.ok)

    def __str__(self) -> str:
        return "\n".join(str(result) for result in self.results)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict for JSON."""
        return {"ok": self.ok, "checks": [result.to_dict() for result in self.results]}


async def check(
    provider: Provider,
    *,
    extra: Iterable[OwnCheck] = (),
    timeout: float = 10.0,  # noqa: ASYNC109  # for each check by itself, on the client's clock
    clock: Clock = SYSTEM,
) -> CheckReport:
    """Look at every service that `provider` may reach, through every branch, all at once; asks no model anything.

    Of each: whether there is a key, which may be sent there and looks like one; if so whether the service answers; if so
    whether it has the model. What a provider cannot say is a warning.

    Args:
        provider: A chain, or a client.
        extra: Checks of one's own. Sync ones run on threads; one that outlasts its time goes on there, unheard.
        timeout: Seconds for each check. Default 10.
        clock: Where time comes from.

    Returns:
        The report. Whatever a check raises is its result; only cancelling ends this early.

    Raises:
        ConfigError: An option is not what it must be.
    """
    if type(timeout) not in (int, float) or not 0 < timeout < float("inf"):
        raise ConfigError(f"timeout={timeout!r} must be a finite number of seconds above 0")
    own = tuple(extra)
    for one in own:
        if not callable(one):
            raise ConfigError(f"extra holds {type(one).__name__}: each check must be a function without arguments")
    limits = _Limits(timeout, clock)
    services = [_Service(leaf, models, limits) for leaf, models in _leaves(provider)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(service.results()) for service in services]
        tasks += [group.create_task(_own(one, limits)) for one in own]
    return CheckReport(tuple(result for task in tasks for result in task.result()))


def _leaves(provider: Provider) -> list[tuple[Provider, list[str | None]]]:
    """Return each service once, with the models that it is asked for."""
    found: dict[int, tuple[Provider, list[str | None]]] = {}
    for leaf, info in reached(provider):
        models = found.setdefault(id(leaf), (leaf, []))[1]
        if info.model not in models:
            models.append(info.model)
    return list(found.values())


@frozen
class _Limits:
    seconds: float
    clock: Clock

    async def held(self, result: CheckResult, work: Callable[[], Awaitable[CheckResult]]) -> CheckResult:
        """Do a check within its time; whatever it raises becomes what `result` begins to say."""
        alarm = Alarm(self.clock)
        alarm.set(self.clock.monotonic() + self.seconds, "total")
        try:
            return await alarm.guard(work())
        except asyncio.CancelledError as error:
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            said = type(error).__name__  # of something that the check waited for; nobody has cancelled this
        except Exception as error:  # noqa: BLE001  # a check that crashes has failed, and says so in the report
            said = f"no result within {self.seconds:g} s" if alarm.error is error else _words(error)
        finally:
            alarm.stop()
        return _failed(result, said)


def _words(error: Exception) -> str:
    text = error.message if isinstance(error, AIClientError) else str(error)
    return f"{type(error).__name__}: {clean(text, limit=_LONGEST)}" if text else type(error).__name__


def _failed(result: CheckResult, *errors: str) -> CheckResult:
    return evolve(result, ok=False, message="; ".join(errors), errors=errors)


def _doubted(result: CheckResult, message: str, *warnings: str) -> CheckResult:
    said = (message, *warnings) if message else warnings
    return evolve(result, message="; ".join(said), warnings=warnings)


# --- a service ---

_FINDINGS: Final[dict[Category, str]] = {
    "authentication": "the service refuses the key",
    "permission": "the service refuses this to the key",
    "quota": "the account has no credit left",
    "connection": "the service cannot be reached",
    "timeout": "the service does not answer in time",
}

_ANSWERS: Final[dict[Category, str]] = {
    "rate_limit": "it answers, and limits our requests at the moment",
    "not_found": "it answers, but has no list of models at this address: check base_url",
}
"""Failures that say that the service is there."""


class _Service:
    """The checks of one provider, each only if the one before it found nothing wrong."""

    def __init__(self, leaf: Provider, models: Sequence[str | None], limits: _Limits) -> None:
        self._leaf = leaf
        self._models = models
        self._limits = limits

    async def results(self) -> list[CheckResult]:
        with_key = isinstance(self._leaf, ChecksKey)
        found = [await self._held("key" if with_key else "config", self._key if with_key else self._config)]
        if found[-1].ok:
            found.append(await self._held("reachable", self._reachable))
        if found[-1].ok:
            found.append(await self._held("model", self._model))
        return found

    async def _held(self, name: str, work: Callable[[CheckResult], Awaitable[CheckResult]]) -> CheckResult:
        result = CheckResult(name=name, provider=self._leaf.name)
        return await self._limits.held(result, lambda: work(result))

    async def _config(self, result: CheckResult) -> CheckResult:
        self._leaf.validate_config()
        return evolve(result, message="nothing is missing")

    async def _key(self, result: CheckResult) -> CheckResult:
        assert isinstance(self._leaf, ChecksKey)
        key = await self._leaf.check_key()
        if key.errors:
            return _failed(result, *key.errors)
        if key.warnings:
            return _doubted(result, "", *key.warnings)
        return evolve(result, message="it is there" if key.found else "none is needed")

    async def _reachable(self, result: CheckResult) -> CheckResult:
        if not isinstance(self._leaf, Checks):
            return _doubted(result, "", "it cannot be asked without a call")
        health: Health = await self._leaf.health()
        if health.ok:
            return evolve(result, message=f"it answered in {health.latency:.2f} s")
        category = health.category or "other"
        if category in _ANSWERS:
            return _doubted(result, "", _ANSWERS[category])
        return _failed(result, f"{_FINDINGS.get(category, 'the service fails')} ({category})")

    async def _model(self, result: CheckResult) -> CheckResult:
        names = [name for name in self._models if name is not None]
        if not names:
            return _doubted(result, "", "no default model: every request must name one")
        if not isinstance(self._leaf, ListsModels):
            return _doubted(result, ", ".join(names), "it does not list its models")
        listed = [model.id for model in await self._leaf.list_models()]
        if not listed:
            return _doubted(result, ", ".join(names), "its list of models is empty")
        unknown = [name for name in names if not _is_listed(name, listed)]
        if unknown:
            return _failed(result, *(_missing(name, listed) for name in unknown))
        return evolve(result, message=f"{', '.join(names)}: among its {len(listed)} models")


def _is_listed(name: str, listed: Sequence[str]) -> bool:
    """Whether a service that lists these knows `name`: as it is, or as the short name of a dated model."""
    name = name.removeprefix("models/")  # Gemini's names may be given either way
    if name in listed or f"{name}:latest" in listed:  # Ollama's tag where none is given
        return True
    if name.partition(":")[0] in listed:  # OpenRouter's variants of a model
        return True
    short = name.removesuffix("-latest")
    return any(full.startswith(short) and _DATED.fullmatch(full[len(short) :]) for full in listed)


def _missing(name: str, listed: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, listed, 3)
    hint = f": did you mean {', '.join(near)}?" if near else ""
    return f"{name} is not among its {len(listed)} models{hint}"


# --- checks of one's own ---


async def _own(function: OwnCheck, limits: _Limits) -> list[CheckResult]:
    result = CheckResult(name=getattr(function, "__name__", type(function).__name__))

    async def run() -> CheckResult:
        is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004  # an object's own, which may be async
        )
        found = function() if is_async else await asyncio.to_thread(function)
        return _judged(result, await found if inspect.isawaitable(found) else found)

    return [await limits.held(result, run)]


def _judged(result: CheckResult, found: object) -> CheckResult:
    if isinstance(found, CheckResult):
        return found
    if found is None or found is True or found == "":
        return evolve(result, message="it found nothing wrong")
    if isinstance(found, str):
        return _failed(result, clean(found, limit=_LONGEST))
    if found is False:
        return _failed(result, "it found something wrong")
    returned = f"it returned {type(found).__name__}"
    return _failed(result, f"{returned}: a check returns None, True, False, a text or a CheckResult")

"""What is known of models: how much they take and give, what they can, what they cost.

The figures are in `prices.json` beside this file, which is read when the first of them is asked for. They are of the table's
date: vendors change prices, and bill by contract, so that what is here is the list price as far as it is known.
"""

from __future__ import annotations

import builtins
import functools
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final, cast

from attrs import field, frozen

from .clock import SYSTEM
from .errors import InvalidModelError
from .prices.names import ALIASES, spellings, table_of
from .prices.rates import Rates
from .provider import ProviderInfo

__all__ = ["ModelInfo", "find", "info", "list", "version"]

SCHEMA: Final = 1

COLUMNS: Final = {
    "in": "input",
    "out": "output",
    "read": "cache_read",
    "write": "cache_write",
    "write_1h": "cache_write_1h",
    "audio_in": "audio_input",
    "audio_read": "audio_cache_read",
    "audio_out": "audio_output",
    "image_in": "image_input",
    "image_out": "image_output",
    "reasoning": "reasoning",
    "search": "search",
    "request": "request",
}
"""Names of the rates in the table: ours."""

TIERS: Final = {
    **{word: word for word in ("batch", "fast", "flex", "priority", "reserved", "scale")},
    "on_demand_flex": "flex",  # Vertex, record 039c6ce1417e
    "on_demand_priority": "priority",
    "provisioned": "reserved",  # OpenRouter of Azure
    "provisioned_throughput": "reserved",  # Vertex
}
"""Words of vendors for processing that costs something else: that of the table. Any other word is the usual: `default`, ..."""

FIXED: Final = ("search", "request")
"""What a factor for a tier does not change."""


@frozen(kw_only=True)
class ModelInfo:
    """What is known of one model of one provider; None is "not known".

    Args:
        provider: Whose model it is: a provider's name as in model strings.
        name: The name it stands under in the table.
        names: All names that stand for it.
        context_window: Tokens that it takes, the answer included, or takes in, where only that is known.
        max_output: Tokens of the longest answer.
        capabilities: Among `tools`, `images`, `audio`, `video`, `documents`, `speech`, `reasoning`, `schema`, `caching`,
            `search`. Empty where nothing is known.
        kind: `chat`, `embedding`, ...
        source: Where the figures are from.
        dated: Since when the price holds or was last seen to, as far as the source says; else the date of the table.
        retires: When the vendor ends it, as far as announced.
        deprecated: The vendor advises against it.
    """

    provider: str
    name: str
    names: tuple[str, ...] = ()
    context_window: int | None = None
    max_output: int | None = None
    capabilities: frozenset[str] = frozenset()
    kind: str = "chat"
    source: str = ""
    dated: date
    retires: date | None = None
    deprecated: bool = False
    _row: Mapping[str, Any] = field(
        factory=dict, repr=False, eq=False, alias="row"
    )  # named for type checkers without attrs
    _always: Rates | None = field(default=None, repr=False, eq=False, alias="always")
    """The ordinary rates, where they depend on neither length nor time, as most do: nearly every price is one of these."""

    @property
    def hears_by_the_hour(self) -> bool:
        """Whether sound that goes in is charged by its length, which no token count tells."""
        return bool(self._row.get("audio_hours", False))

    @property
    def prices(self) -> Rates:
        """The rates of today for an ordinary request that is not unusually long."""
        return cast("Rates", self.rates())

    def rates(
        self, *, tier: str | None = None, prompt_tokens: int = 0, at: float | datetime | None = None
    ) -> Rates | None:
        """Return the rates that hold for a request; None where the tier has a price of its own that is not known.

        Args:
            tier: The vendor's word for how it was processed (`priority`, `flex`, `batch`); None is the usual way.
            prompt_tokens: Its length in input tokens: some vendors take more for all tokens of a long one.
            at: When, as seconds since the epoch or a moment. Default now.
        """
        word = TIERS.get(tier.lower()) if tier else None
        if word is None and self._always is not None:
            return self._always
        moment = at if isinstance(at, datetime) else datetime.fromtimestamp(SYSTEM.time() if at is None else at, UTC)
        row = _in_force(self._row, moment.astimezone(UTC))
        if word is not None:
            special = self._row.get(word)
            if special is None:
                return None
            if isinstance(special, Mapping):
                row = {**row, **special}
            else:
                row = {name: value if name in FIXED else _times(value, special) for name, value in row.items()}
        return _rates(row, prompt_tokens)


def _rates(row: Mapping[str, Any], tokens: int = 0) -> Rates:
    return Rates(**{COLUMNS[name]: _at_length(row[name], tokens) for name in COLUMNS if name in row})


def _in_force(row: Mapping[str, Any], moment: datetime) -> Mapping[str, Any]:
    """Return the rates of the row as they are at the moment: some change at a date, some with the hour."""
    rates = {name: row[name] for name in COLUMNS if name in row}
    for since, changed in row.get("later", ()):
        if moment.date() >= date.fromisoformat(since):
            rates = dict(changed)
    for begins, ends, changed in row.get("hours", ()):
        if _within(moment.time(), time.fromisoformat(begins), time.fromisoformat(ends)):
            rates = dict(changed)
    return rates


def _within(moment: time, begins: time, ends: time) -> bool:
    return begins <= moment < ends if begins < ends else moment >= begins or moment < ends


def _times(value: Any, factor: Any) -> Any:
    if not isinstance(value, builtins.list):
        return Decimal(value) * Decimal(factor)
    return [item if index % 2 else Decimal(item) * Decimal(factor) for index, item in enumerate(value)]


def _at_length(value: Any, tokens: int) -> Decimal:
    """Return a price; from a list of them (`[price, above so many tokens, price, ...]`) that for this many tokens."""
    if not isinstance(value, builtins.list):
        return Decimal(value)
    found, steps = value[0], iter(value[1:])
    for above, price in zip(steps, steps, strict=True):
        found = price if tokens > above else found
    return Decimal(found)


# --- the table ---


@functools.cache
def _table() -> Mapping[str, Any]:
    """Read the table; prices stay texts until they are asked for, so that no digit is lost."""
    from importlib.resources import files  # noqa: PLC0415  # 3 ms of CPU that few need before the first price

    table: dict[str, Any] = json.loads(files("aiclient").joinpath("prices.json").read_bytes(), parse_float=str)
    return table


@functools.cache
def _named(provider: str) -> Mapping[str, str]:
    """Return all names of the models of a provider, in lower case, with those of their rows."""
    rows = _table()["providers"].get(provider, {"models": {}})["models"]
    names = {also.lower(): name for name, row in rows.items() for also in row.get("also", ())}
    return names | {name.lower(): name for name in rows}


@functools.cache
def _model(provider: str, name: str) -> ModelInfo:
    table = _table()
    listed = table["providers"][provider]
    row, sources = listed["models"][name], table["sources"]
    varies = "later" in row or "hours" in row or any(isinstance(row.get(rate), builtins.list) for rate in COLUMNS)
    return ModelInfo(
        provider=provider,
        name=name,
        names=(name, *row.get("also", ())),
        context_window=row.get("ctx"),
        max_output=row.get("max"),
        capabilities=frozenset(table["capabilities"][letter] for letter in row.get("can", "")),
        kind=row.get("kind", "chat"),
        source=f"{listed['url']} by {sources['prices']}; limits and capabilities by {sources['facts']}",
        dated=date.fromisoformat(row.get("date", table["date"])),
        retires=date.fromisoformat(row["ends"]) if "ends" in row else None,
        deprecated=bool(row.get("old", False)),
        row=row,
        always=None if varies else _rates(row),
    )


def version() -> str:
    """Return which table this is: `aiclient prices 2026-11-28`."""
    return f"aiclient prices {_table()['date']}"


# --- asking it ---


@functools.lru_cache(maxsize=1024)
def find(where: ProviderInfo, /) -> ModelInfo | None:
    """Return what is known of the model at a destination; None where its name stands for no model of the table.

    The name is taken as it is, without a date at its end, and without the path or the region that the service puts before it;
    never one that only looks alike. Azure's own list lacks most of OpenAI's models, which cost there what they cost at OpenAI.
    """
    if where.model is None:
        return None
    first = table_of(where)
    for provider in (first, "openai") if first == "azure" else (first,):
        names = _named(provider)
        for spelling in spellings(provider, where.model):
            if spelling in names:
                return _model(provider, names[spelling])
    return None


def info(name: str, /) -> ModelInfo:
    """Return what is known of a model, named as in model strings: `openai:gpt-5.4-mini`.

    Raises:
        InvalidModelError: The string names no provider of the table, or no model of it; the message says what is near.

    Example:
        >>> model = info("openai:gpt-5.4-mini")
        >>> model.context_window, model.max_output, "tools" in model.capabilities
        (400000, 128000, True)
    """
    given: object = name
    provider, colon, model = (given if isinstance(given, str) else "").partition(":")
    known = _table()["providers"]
    if not colon or ALIASES.get(provider, provider) not in known:
        raise InvalidModelError(f"{name!r}: write provider:model, with one of {', '.join(sorted(known))}")
    found = find(ProviderInfo(provider, model=model))
    if found is None:
        raise InvalidModelError(f"nothing is known of {name!r}{_near(ALIASES.get(provider, provider), model)}")
    return found


def _near(provider: str, model: str) -> str:
    import difflib  # noqa: PLC0415  # only for people who misspelt something

    close = difflib.get_close_matches(model.lower(), _named(provider), 3, cutoff=0.7)
    return f"; did you mean {' or '.join(close)}?" if close else f"; see aiclient.models.list({provider!r})"


def list(provider: str | None = None, /) -> builtins.list[ModelInfo]:
    """Return every model of a provider that the table has, by name; without one, of all of them.

    Raises:
        InvalidModelError: The table has no such provider.
    """
    return [*_models(provider)]


def _models(provider: str | None) -> Iterator[ModelInfo]:
    known = _table()["providers"]
    chosen = ALIASES.get(provider or "", provider)
    if chosen is not None and chosen not in known:
        raise InvalidModelError(f"no provider {provider!r} in the table; there are {', '.join(sorted(known))}")
    for each in sorted(known) if chosen is None else [chosen]:
        for name in sorted(known[each]["models"]):
            yield _model(each, name)

"""What was spent, in rows: by provider, model, user, day or tag; as plain data, JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from attrs import define, evolve, field, frozen

from ..errors import ConfigError, StoreError
from .money import Amount, dollars

__all__ = ["OTHER", "Figures", "Report", "Row", "Rows", "Spent"]

VERSION: Final = 1

MOST: Final = 10_000
"""Rows kept for a day; beyond that, users and tags go into one row: they may be as many as there are calls."""

REMEMBERED: Final = 32
"""Exchanges whose identities are kept, so that one is not counted again when a store has done what it seemed to fail at."""

OTHER: Final = "(other)"

COLUMNS: Final = ("provider", "model", "user", "session", "tenant", "day")
"""What a report can be made by, besides tags."""

_Key: TypeAlias = tuple[str, str, str | None, str | None, tuple[tuple[str, str], ...]]
"""Day, provider, model, tenant, tags."""


@frozen
class Spent:
    """What one exchange has taken.

    Args:
        day: In UTC.
        amount: Money and tokens.
        prompt_tokens: Of them, input.
        completion_tokens: Of them, output.
        estimated: The service did not say: worked out from what was sent and received.
        priced: Whether its price was known.
    """

    day: str
    provider: str
    model: str | None
    tenant: str | None
    tags: Mapping[str, str]
    amount: Amount
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    priced: bool = True
    failed: bool = False


@define
class Row:
    """Sums over exchanges: failed ones, and those whose amount is estimated or whose price is not known, among them."""

    requests: int = 0
    failed: int = 0
    estimated: int = 0
    unpriced: int = 0
    micros: int = 0
    tokens: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, spent: Spent) -> None:
        """Count one exchange."""
        self.merge(
            Row(
                1,
                int(spent.failed),
                int(spent.estimated),
                int(not spent.priced),
                *spent.amount,
                spent.prompt_tokens,
                spent.completion_tokens,
            )
        )

    def merge(self, other: Row) -> None:
        """Add the sums of another row."""
        self.requests += other.requests
        self.failed += other.failed
        self.estimated += other.estimated
        self.unpriced += other.unpriced
        self.micros += other.micros
        self.tokens += other.tokens
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens

    def numbers(self) -> list[int]:
        """Return the sums, in the order of the fields."""
        return [
            self.requests,
            self.failed,
            self.estimated,
            self.unpriced,
            self.micros,
            self.tokens,
            self.prompt_tokens,
            self.completion_tokens,
        ]


Figures: TypeAlias = tuple[Mapping[str, str | None], Row]
"""What a row is about, and its sums."""


class Rows:
    """Rows of exchanges, for each combination of day, provider, model, tenant and tags."""

    __slots__ = ("_counted", "_most", "_rows")

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._rows: dict[_Key, Row] = {}
        self._counted: dict[str, None] = {}

    def add(self, spent: Spent, identity: str | None = None) -> None:
        """Count one exchange; the same identity again changes nothing."""
        if identity in self._counted:
            return
        if identity is not None:
            self._counted[identity] = None
            if len(self._counted) > REMEMBERED:
                del self._counted[next(iter(self._counted))]
        tags = tuple(sorted(spent.tags.items()))
        key: _Key = (spent.day, spent.provider, spent.model, spent.tenant, tags)
        if key not in self._rows and len(self._rows) >= self._most:
            key = (spent.day, spent.provider, spent.model, None, tuple((name, OTHER) for name, _ in tags))
        self._rows.setdefault(key, Row()).add(spent)

    def items(self) -> Iterator[Figures]:
        """Yield what each row is about, and its sums."""
        for (day, provider, model, tenant, tags), row in tuple(self._rows.items()):
            yield {**dict(tags), "day": day, "provider": provider, "model": model, "tenant": tenant}, evolve(row)

    def to_bytes(self) -> bytes:
        """Return the record for a store."""
        rows = [[*key[:4], dict(key[4]), *row.numbers()] for key, row in self._rows.items()]
        record = {"v": VERSION, "rows": rows, "counted": list(self._counted)}
        return json.dumps(record, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes, most: int = MOST) -> Rows:
        """Read a record.

        Raises:
            StoreError: It is none, or one of another version.
        """
        rows = cls(most)
        try:
            record = json.loads(data)
            if record["v"] != VERSION:
                raise StoreError(f"rows in the ledger's store have version {record['v']!r}", kind="version")
            for day, provider, model, tenant, tags, *numbers in record["rows"]:
                key: _Key = (day, provider, model, tenant, tuple(sorted(tags.items())))
                rows._rows[key] = Row(*map(int, numbers))
            rows._counted.update(dict.fromkeys(record.get("counted", ())))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            why = type(error).__name__
        else:
            return rows
        raise StoreError(f"the rows of a day in the ledger's store cannot be read ({why})", kind="corrupt")


@frozen
class Report:
    """Sums by some columns, dearest first; iterate over it for rows as dicts.

    Each row holds the columns asked for, `usd` (a Decimal), `requests` (exchanges), `failed`, `tokens`, `prompt_tokens`,
    `completion_tokens`, `estimated` (exchanges whose amount no service has reported) and `unpriced` (whose price nobody knew;
    they count as 0).
    """

    by: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...] = field(repr=lambda rows: f"<{len(rows)} rows>")

    @classmethod
    def of(cls, items: Iterable[Figures], by: Any) -> Report:
        """Sum rows up by the columns named."""
        columns = (by,) if isinstance(by, str) else tuple(by) if isinstance(by, Iterable) else (by,)
        if any(not isinstance(column, str) or not column for column in columns):
            raise ConfigError(f"by={by!r} must be names: {', '.join(COLUMNS)}, or tags")
        sums: dict[tuple[str | None, ...], Row] = {}
        for about, row in items:
            sums.setdefault(tuple(about.get(column) for column in columns), Row()).merge(row)
        ranked = sorted(sums.items(), key=lambda item: (-item[1].micros, [value or "" for value in item[0]]))
        return cls(columns, tuple({**dict(zip(columns, key, strict=True)), **_figures(row)} for key, row in ranked))

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_json(self) -> str:
        """Return the rows as a JSON list; money as text, exact to the millionth."""
        return json.dumps([{**row, "usd": f"{row['usd']:f}"} for row in self.rows], ensure_ascii=False, indent=2)

    def to_csv(self) -> str:
        """Return the rows as CSV with a head line; a text that a spreadsheet would take for a formula gets a `'`."""
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\n")
        head = [*self.by, *_figures(Row())]
        writer.writerow([_plain(name) for name in head])
        for row in self.rows:
            writer.writerow([_plain(row[name]) for name in head])
        return out.getvalue()


def _figures(row: Row) -> dict[str, Any]:
    return {
        "usd": dollars(row.micros),
        "requests": row.requests,
        "failed": row.failed,
        "tokens": row.tokens,
        "prompt_tokens": row.prompt_tokens,
        "completion_tokens": row.completion_tokens,
        "estimated": row.estimated,
        "unpriced": row.unpriced,
    }


def _plain(value: Any) -> Any:
    """Return a cell: tags and users come from outside, and must not run where the table is opened."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
    return value if value is None or isinstance(value, int) else f"{value:f}"

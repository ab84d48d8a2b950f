"""Questions about a CSV file: the model never sees the rows, it asks for sums by tools, and its answer is held to them."""

import csv
import io
from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

from aiclient import AIClientError, ChatRequest, ChatResponse, Client, ToolError, resilient, tool
from aiclient.testutil import MockProvider, fixtures

FILE = """region,month,product,units,revenue
north,2026-01,tea,120,360.00
north,2026-02,tea,90,270.00
south,2026-01,tea,40,120.00
south,2026-02,coffee,200,900.00
north,2026-02,coffee,10,n/a
"""
Column = Literal["region", "month", "product"]
RULES = "Answer questions on the sales. Compute nothing yourself: use the tools, and name the figures they gave."


class Sales:
    """A table, and what a model may ask of it: sums by a column, nothing that runs code or shows a row."""

    def __init__(self, text: str) -> None:
        self.rows: list[dict[str, str]] = []
        self.left_out: list[int] = []
        for number, row in enumerate(csv.DictReader(io.StringIO(text)), 2):
            try:
                float(row["revenue"])
            except ValueError:
                self.left_out.append(number)
            else:
                self.rows.append(row)

    def columns(self) -> dict[str, list[str]]:
        return {name: sorted({row[name] for row in self.rows}) for name in ("region", "month", "product")}

    def sums(self, by: Column, where: dict[str, str]) -> dict[str, float]:
        found: defaultdict[str, float] = defaultdict(float)
        for row in self.rows:
            if all(row[name] == value for name, value in where.items()):
                found[row[by]] += float(row["revenue"])
        return dict(found)


@dataclass
class Finding:
    answer: str
    figures: list[float]


def analysed(client: Client, sales: Sales, question: str) -> str:
    figures: set[float] = set()

    @tool
    def describe() -> dict[str, object]:
        """Say which columns there are, with their values, and which lines of the file could not be read."""
        return {"columns": sales.columns(), "lines left out": sales.left_out}

    @tool
    def revenue(by: Column, where: dict[str, str] | None = None) -> dict[str, float]:
        """Sum the revenue by a column.

        Args:
            by: The column.
            where: Only rows with these values, by column.
        """
        unknown = set(where or {}) - sales.columns().keys()
        if unknown:
            raise ToolError(f"there is no column {', '.join(unknown)}")
        sums = sales.sums(by, where or {})
        figures.update(sums.values())
        return sums

    try:
        request = client.new_request().system(RULES).user(question).max_tokens(1000).timeout(120)
        result = request.output(Finding).run([describe, revenue], max_rounds=6)
    except AIClientError as error:
        return f"no answer: {error.category}"
    if result.output is None:
        return f"no answer: {result.stopped}"
    invented = [figure for figure in result.output.figures if figure not in figures]
    tools = ", ".join(f"{use.call.name} {use.outcome}" for use in result.uses)
    return f"{result.output.answer} {f'NOT TRUSTED, invented: {invented}' if invented else 'checked'} ({tools})"


def asks(name: str, **arguments: object) -> ChatResponse:
    return fixtures.tool_response(fixtures.tool_call(name, arguments))


SCRIPTS: dict[str, list[ChatResponse | str]] = {
    "Which region sold more tea?": [
        asks("describe"),
        asks("revenue", by="region", where={"produkt": "tea"}),
        asks("revenue", by="region", where={"product": "tea"}),
        '{"answer": "The north, with 630 against 120.", "figures": [630, 120]}',
    ],
    "How was February?": ['{"answer": "Splendid: 2000.", "figures": [2000]}'],
}


def main() -> None:
    sales = Sales(FILE)
    seen: list[ChatRequest] = []
    for question, script in SCRIPTS.items():
        mock = MockProvider(list(script))
        with Client(resilient(mock)) as client:
            print(f"{question} {analysed(client, sales, question)}")
        seen += mock.requests
    print(
        "rows that left the house:", sum("360.00" in str(message.content) for ask in seen for message in ask.messages)
    )


if __name__ == "__main__":
    main()

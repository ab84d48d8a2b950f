"""Measures aiclient beside plain httpx and other clients; prints one table of ratios.

    python benchmarks/run.py
    python benchmarks/run.py --clients httpx,aiclient-chain --metrics call,in_flight --rounds 9
    python benchmarks/run.py --peers            # openai, litellm, any-llm and pydantic-ai too; builds what is missing

Costs are CPU time (user + system) of the client's process, against a stub server in another process. Rounds are interleaved,
every sample is a fresh process (and the best of three in it), every cell is the median over the rounds. The base of every
ratio is `httpx.AsyncClient` in an environment that holds httpx alone. On a machine that does other work too, differences
below 15 % are noise.
"""

from __future__ import annotations

import argparse
import json
import operator
import os
import pathlib
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import envs
from clients import CLIENTS

HERE = pathlib.Path(__file__).resolve().parent
BASE = "httpx"
PEERS = ("openai", "litellm", "any-llm", "pydantic-ai")
COLUMNS = {  # column -> the metric that fills it
    "call": "call",
    "c1": "in_flight",
    "c64": "in_flight",
    "c256": "in_flight",
    "growth": "in_flight",
    "chunk": "stream",
    "stream2048": "stream",
    "embed": "embed",
    "import": "import",
    "first": "first",
    "memory": "memory",
}
METRICS = tuple(dict.fromkeys(COLUMNS.values()))
PLAIN = ("growth",)  # shown as it is: a ratio already
HEAVY = ("httpx", "asyncio", "cattrs", "logging", "ssl")
CALLS = 200
PATIENCE = 120
"""Seconds for one process."""

Medians = dict[str, dict[str, float]]

# Without it, and with each library's way not to look for news on the network. A set PYTHONDONTWRITEBYTECODE would make
# every import a cold one.
ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
ENVIRON |= {"OPENAI_API_KEY": "sk-bench", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}


# --- goals: each reads the medians, nothing fails on them ---


def ratio(client: str, column: str, to: str = BASE) -> Callable[[Medians], float]:
    return lambda found: found[client][column] / found[to][column]


def extra(column: str, client: str, over: str) -> Callable[[Medians], float]:
    return lambda found: found[client][column] - found[over][column]


def value(client: str, column: str, unit: float = 1.0) -> Callable[[Medians], float]:
    return lambda found: found[client][column] / unit


GOALS: list[tuple[str, float, Callable[[Medians], float]]] = [
    ("call, default chain / httpx", 0.65, ratio("aiclient-chain", "call")),
    ("256 in flight, default chain / httpx", 0.35, ratio("aiclient-chain", "c256")),
    ("growth from 1 to 256 in flight", 1.2, value("aiclient-chain", "growth")),
    ("chunk, default chain / httpx and json.loads", 1.15, ratio("aiclient-chain", "chunk")),
    ("embeddings 64 x 1536, default chain / httpx", 1.15, ratio("aiclient-chain", "embed")),
    ("import aiclient, ms", 20, value("aiclient", "import", 1000)),
    ("heavy modules it imports", 0, value("aiclient", "heavy")),
    ("CPU to first answer, client / httpx", 1.5, ratio("aiclient", "first")),
    ("KB per open stream, default chain", 24, value("aiclient-chain", "memory")),
    ("us that Logging and Retry add to a call", 20, extra("call", "aiclient-chain", "aiclient")),
    ("us that Logging and Retry add to a chunk", 1, extra("chunk", "aiclient-chain", "aiclient")),
    ("us that a sync call costs over an async one", 80, extra("call", "aiclient-sync", "aiclient")),
    ("sync / async stream of 2,048 chunks", 2, ratio("aiclient-sync", "stream2048", "aiclient")),
]


# --- measuring ---


@contextmanager
def stub() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, str(HERE / "stub.py")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()


def run(command: list[str]) -> dict[str, float]:
    """Run a process and return the JSON of its last line; nothing when it failed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=ENVIRON, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        print(f"! {' '.join(command[1:4])}: did not end in {PATIENCE} s", file=sys.stderr)
        return {}
    if done.returncode:
        print(f"! {' '.join(command[1:4])}: {(done.stderr.strip().splitlines() or ['?'])[-1]}", file=sys.stderr)
        return {}
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def imported(name: str) -> dict[str, float]:
    """CPU microseconds of the import alone, and how many of the heavy modules it brings; files compiled before."""
    code = (
        f"import time, sys; began = time.process_time(); import {CLIENTS[name].imports}; took = time.process_time() - began\n"
        f'print(\'{{"import": %f, "heavy": %d}}\' % (took * 1e6, sum(heavy in sys.modules for heavy in {HEAVY!r})))'
    )
    return run([envs.python(CLIENTS[name].env), "-c", code])


def measured(name: str, base: str, metrics: list[str]) -> dict[str, float]:
    found: dict[str, float] = imported(name) if "import" in metrics else {}
    busy = [metric for metric in metrics if metric not in ("import", "first", "memory")]
    # Memory is measured in a process whose heap nothing else has grown.
    for group in (busy or ["first"], ["memory"] if "memory" in metrics else []):
        if group and set(metrics) & {*busy, "first", "memory"}:
            worker = [envs.python(CLIENTS[name].env), str(HERE / "worker.py"), name, base]
            found |= run([*worker, ",".join(group), str(CALLS)])
    return found


def samples(names: list[str], metrics: list[str], rounds: int) -> dict[str, dict[str, list[float]]]:
    kept: dict[str, dict[str, list[float]]] = {name: {} for name in names}
    for number in range(rounds + 1):  # the first one compiles files, and is thrown away
        with stub() as base:
            for name in names if number % 2 else reversed(names):  # what runs beside us hits nobody always
                found = measured(name, base, metrics if number else ["import", "first"])
                for column, amount in found.items() if number else ():
                    kept[name].setdefault(column, []).append(amount)
        print(f"round {number} of {rounds}", file=sys.stderr)
    return kept


# --- showing ---


def table(found: Medians, metrics: list[str]) -> str:
    columns = [column for column, metric in COLUMNS.items() if metric in metrics]
    lines = [["client", *columns]]
    for name, row in found.items():
        cells = [name]
        for column in columns:
            known = row.get(column)
            base = found.get(BASE, {}).get(column)
            if known is None or (base is None and column not in PLAIN):
                cells.append("-")
            else:
                cells.append(f"{known if column in PLAIN or not base else known / base:.2f}")
        lines.append(cells)
    if BASE in found:
        amounts = [f"{found[BASE][column]:.3g}" if column in found[BASE] else "-" for column in columns]
        lines.append([f"{BASE}: us, KB", *amounts])
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    shown = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    return "\n".join(shown)


def goals(found: Medians) -> str:
    lines = []
    for what, limit, measure in GOALS:
        try:
            amount = measure(found)
        except KeyError:
            continue
        verdict = "holds" if operator.le(amount, limit) else "MISSED"
        lines.append(f"{verdict:>6}  {amount:8.2f} <= {limit:<5g}  {what}")
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--clients", help="comma-separated; default: httpx and aiclient in all their forms")
    options.add_argument("--peers", action="store_true", help="measure the peers too")
    options.add_argument("--metrics", default=",".join(METRICS), help=f"comma-separated, of {', '.join(METRICS)}")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--json", help="write every sample to this file")
    given = options.parse_args()
    names = (
        given.clients.split(",") if given.clients else [name for name in CLIENTS if given.peers or name not in PEERS]
    )
    metrics = given.metrics.split(",")
    unknown = [*(set(names) - set(CLIENTS)), *(set(metrics) - set(METRICS))]
    if unknown:
        options.error(f"unknown: {', '.join(unknown)}; clients are {', '.join(CLIENTS)}")
    for name in names:
        envs.build(CLIENTS[name].env)
    kept = samples(names, metrics, given.rounds)
    if given.json:
        pathlib.Path(given.json).write_text(json.dumps(kept, indent=1))
    found = {
        name: {column: statistics.median(amounts) for column, amounts in row.items()} for name, row in kept.items()
    }
    print(f"ratios to {BASE} (CPU), medians of {given.rounds} rounds; growth is c256 / c1 of the client itself\n")
    print(table(found, metrics))
    print(f"\n{goals(found)}")


if __name__ == "__main__":
    main()

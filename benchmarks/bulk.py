"""A large bulk run against the loopback server, killed with -9 in the middle and begun again.

    python benchmarks/bulk.py [--lines 100000] [--concurrency 50]

Prints how long each half took, the peak memory of the processes, and whether every line has exactly one result.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LINE = 1900
"""Bytes of one result, about."""


def main() -> int:
    """Run it once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--concurrency", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.jsonl"), Path(folder, "out.jsonl")
        with source.open("w") as file:
            file.writelines(json.dumps({"id": n, "prompt": f"line {n}"}) + "\n" for n in range(options.lines))
        serving = subprocess.Popen([sys.executable, "-m", "aiclient", "serve"], stdout=subprocess.PIPE, text=True)
        try:
            url = serving.stdout.readline().split()[-1]
            command = [sys.executable, "-m", "aiclient", "bulk", "run", str(source), "-o", str(target), "-m", "any"]
            command += ["--base-url", url, "--concurrency", str(options.concurrency)]
            _killed(command, target, options.lines // 2)
            _finished(command)
        finally:
            serving.terminate()
            serving.wait()
        with target.open() as file:
            count = collections.Counter(json.loads(line)["id"] for line in file)
    exact = count == collections.Counter(range(options.lines))
    print(f"{count.total()} results for {options.lines} lines: {'each once' if exact else 'NOT each once'}")
    return not exact


def _killed(command: list[str], target: Path, after: int) -> None:
    began, running, peak = time.monotonic(), subprocess.Popen(command), 0
    while running.poll() is None:
        peak = max(peak, _peak(running.pid))
        if target.exists() and target.stat().st_size >= after * LINE:
            os.kill(running.pid, signal.SIGKILL)
            break
        time.sleep(0.5)
    running.wait()
    print(
        f"killed after {_lines(target)} lines, {time.monotonic() - began:.1f} s, peak memory {peak >> 10} MiB",
        flush=True,
    )


def _finished(command: list[str]) -> None:
    began, running, peak = time.monotonic(), subprocess.Popen(command), 0
    while running.poll() is None:
        peak = max(peak, _peak(running.pid))
        time.sleep(0.5)
    print(
        f"finished with exit code {running.returncode}, {time.monotonic() - began:.1f} s, peak memory {peak >> 10} MiB"
    )


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def _peak(pid: int) -> int:
    """KiB of memory that the process has had at most; 0 where the system does not say."""
    try:
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0


if __name__ == "__main__":
    sys.exit(main())

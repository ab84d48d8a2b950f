"""Measures one client in a process of its own and prints one line of JSON; run.py starts it.

    <python of the client's environment> worker.py CLIENT BASE METRICS CALLS

Every cost is CPU time of this process, user and system, of all its threads.
"""

import sys
import time

BEGAN = time.process_time()

from clients import CLIENTS  # noqa: E402  # the time that imports take counts

IN_FLIGHT = (64, 256)
CHUNKS = (256, 2048)
HELD = 500


class Sync:
    """Runs a sync client."""

    def __init__(self, make, base):
        self.ops = make(base)

    def one(self, name, *args):
        return getattr(self.ops, name)(*args)

    def calls(self, count, workers=1):
        import threading

        left = iter(range(count))

        def work():
            for _ in left:
                self.ops.call("stub-16")

        threads = [threading.Thread(target=work) for _ in range(workers - 1)]
        for thread in threads:
            thread.start()
        work()
        for thread in threads:
            thread.join()

    def drain(self, model):
        return sum(1 for _ in self.ops.stream(model))

    def hold(self, count, model):
        streams = [self.ops.stream(model) for _ in range(count)]
        for stream in streams:
            next(stream)
        return streams

    def release(self, streams):
        for stream in streams:
            for _ in stream:
                pass


class Async:
    """Runs an async client, on one loop."""

    def __init__(self, make, base):
        import asyncio

        self.asyncio = asyncio
        self.loop = asyncio.new_event_loop()
        self.do = self.loop.run_until_complete
        asyncio.set_event_loop(self.loop)  # some clients look for it while they are made
        self.ops = make(base)

    def one(self, name, *args):
        async def work():
            return await getattr(self.ops, name)(*args)

        return self.do(work())

    def calls(self, count, workers=1):
        left = iter(range(count))

        async def work():
            for _ in left:
                await self.ops.call("stub-16")

        async def all_of_them():
            await self.asyncio.gather(*(work() for _ in range(workers)))

        self.do(work() if workers == 1 else all_of_them())

    def drain(self, model):
        async def work():
            count = 0
            async for _ in self.ops.stream(model):
                count += 1
            return count

        return self.do(work())

    def hold(self, count, model):
        async def work():
            streams = [self.ops.stream(model) for _ in range(count)]
            for stream in streams:
                await anext(stream)
            return streams

        return self.do(work())

    def release(self, streams):
        async def work():
            for stream in streams:
                async for _ in stream:
                    pass

        self.do(work())


def cpu(work, *args, times=1):
    """CPU microseconds of `work`, each time; the best of three, for other work on the machine only ever adds."""
    found = []
    for _ in range(3):
        began = time.process_time()
        for _ in range(times):
            work(*args)
        found.append((time.process_time() - began) / times * 1e6)
    return min(found)


def call(run, calls):
    run.calls(50)
    return {"call": cpu(run.calls, calls) / calls}


def in_flight(run, calls):
    found = {}
    run.calls(50)
    found["c1"] = cpu(run.calls, calls) / calls
    for workers in IN_FLIGHT:
        run.calls(workers, workers)
        total = max(calls, 2 * workers)
        found[f"c{workers}"] = cpu(run.calls, total, workers) / total
    found["growth"] = found["c256"] / found["c1"]
    return found


def stream(run, _):
    few, many = CHUNKS
    for count in CHUNKS:
        assert run.drain(f"stub-{count}") == count
    short, long = cpu(run.drain, f"stub-{few}", times=4), cpu(run.drain, f"stub-{many}", times=2)
    return {"chunk": (long - short) / (many - few), "stream2048": long}


def embed(run, _):
    if run.ops.embed is None:
        return {}
    texts = [f"a sentence to embed, number {number}" for number in range(64)]
    vectors = run.one("embed", texts)
    assert len(vectors) == len(texts)
    assert len(vectors[0]) == 1536
    return {"embed": cpu(run.one, "embed", texts, times=4)}


def memory(run, _):
    """KB of resident memory for each of many streams that are open at once."""
    import gc
    import urllib.request

    def resident():
        gc.collect()
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * 4

    before = resident()
    streams = run.hold(HELD, "stub-32-hold")
    found = (resident() - before) / HELD
    urllib.request.urlopen(f"{sys.argv[2]}/release").read()
    run.release(streams)
    return {"memory": found}


METRICS = {"call": call, "in_flight": in_flight, "stream": stream, "embed": embed, "memory": memory}


def main():
    _, name, base, metrics, calls = sys.argv
    spec = CLIENTS[name]
    run = (Sync if spec.sync else Async)(spec.make, base)
    assert run.one("call", "stub-16").startswith(" the answer")
    found = {"first": (time.process_time() - BEGAN) * 1e6}
    for metric in metrics.split(","):
        if metric in METRICS:
            found.update(METRICS[metric](run, int(calls)))
    if run.ops.close is not None:
        run.one("close")

    import json

    print("\n" + json.dumps(found), flush=True)


if __name__ == "__main__":
    main()

"""The cache against a dict: whatever is asked, forgotten and waited for, in any order, both say the same."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aiclient.attempt import chain
from aiclient.context import CallContext, Timeouts
from aiclient.errors import ServerError
from aiclient.messages import Message
from aiclient.middleware import Cache
from aiclient.opening import collect
from aiclient.provider import opened
from aiclient.request import ChatOptions, ChatRequest
from aiclient.response import ChatResponse
from aiclient.store import MemoryStore
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.mock import MockProvider

TTL, ROOM, SWEPT = 10, 4, 2

TEXTS = st.sampled_from("abc")
TENANTS = st.sampled_from([None, "x", "y"])
TEAMS = st.sampled_from([None, "red", "blue"])
PATHS = st.sampled_from(["chat", "chat_stream"])


class CacheAgainstADict(RuleBasedStateMachine):
    """The oracle: (text, tenant) -> (answer, when it is over, team), least recently used first."""

    def __init__(self):
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.replies = []
        self.mock = MockProvider(lambda request: self.replies.pop())
        self.store = MemoryStore(max_entries=ROOM, clock=self.clock)
        self.cache = Cache(self.store, ttl=TTL)
        self.provider = chain([self.cache], self.mock)
        self.oracle = OrderedDict()
        self.number = 0
        self.hits = self.misses = 0

    def teardown(self):
        self.runner.close()

    # --- the two sides ---

    def request(self, text, tenant, team=None, mode="use"):
        options = ChatOptions(temperature=0, tenant=tenant, cache=mode, tags={"team": team} if team else {})
        return ChatRequest([Message("user", text)], options)

    def send(self, request, path, reply):
        self.replies = [reply]
        context = CallContext(clock=self.clock, timeouts=Timeouts(total=None))
        call = opened(request, getattr(self.provider, path), context)
        return self.runner.run(collect(call) if path == "chat_stream" else call)

    def expected(self, key):
        """Return what the oracle holds for `key`, now used."""
        found = self.oracle.get(key)
        if found is None:
            return None
        if self.clock.time() >= found[1]:
            del self.oracle[key]
            return None
        self.oracle.move_to_end(key)
        return found[0]

    def keep(self, key, answer, team):
        now = self.clock.time()
        self.oracle.pop(key, None)
        self.oracle[key] = (answer, now + TTL, team)
        for old in list(self.oracle)[:SWEPT]:
            if now >= self.oracle[old][1]:
                del self.oracle[old]
        while len(self.oracle) > ROOM:
            self.oracle.popitem(last=False)

    def fresh(self):
        self.number += 1
        return f"answer {self.number}"

    # --- what may happen ---

    @rule(text=TEXTS, tenant=TENANTS, team=TEAMS, path=PATHS, mode=st.sampled_from(["use", "use", "refresh", "bypass"]))
    def ask(self, text, tenant, team, path, mode):
        key, reply = (text, tenant), self.fresh()
        known = self.expected(key) if mode == "use" else None
        answer = self.send(self.request(text, tenant, team, mode), path, reply)
        assert (answer.message.content, answer.cached) == (known or reply, known is not None)
        self.hits += known is not None
        self.misses += mode == "use" and known is None
        if mode != "bypass" and known is None:
            self.keep(key, reply, team)

    @rule(text=TEXTS, tenant=TENANTS, path=PATHS, mode=st.sampled_from(["use", "refresh"]))
    def ask_and_get_half_an_answer(self, text, tenant, path, mode):
        key, reply = (text, tenant), ChatResponse(Message("assistant", self.fresh()), "length")
        known = self.expected(key) if mode == "use" else None
        answer = self.send(self.request(text, tenant, mode=mode), path, reply)
        assert answer.message.content == (known or reply.message.content)
        self.hits += known is not None
        self.misses += mode == "use" and known is None

    @rule(text=TEXTS, tenant=TENANTS, path=PATHS)
    def refresh_and_fail(self, text, tenant, path):
        try:
            self.send(self.request(text, tenant, mode="refresh"), path, ServerError())
        except ServerError:
            return
        raise AssertionError("the error was lost")

    @rule(seconds=st.sampled_from([1, 4, 9, 10]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    def alive(self, key):
        return self.clock.time() < self.oracle[key][1]

    def forget(self, keys):
        for key in keys:
            del self.oracle[key]

    @rule(text=TEXTS, tenant=TENANTS)
    def forget_a_request(self, text, tenant):
        known = [key for key in self.oracle if key == (text, tenant)]
        removed = sum(self.alive(key) for key in known)
        assert self.runner.run(self.cache.invalidate(self.request(text, tenant))) == removed
        self.forget(known)

    @rule(tenant=st.sampled_from(["x", "y"]))
    def forget_a_tenant(self, tenant):
        known = [key for key in self.oracle if key[1] == tenant]
        assert self.runner.run(self.cache.invalidate(tenant=tenant)) == len(known)
        self.forget(known)

    @rule(team=st.sampled_from(["red", "blue"]), tenant=TENANTS)
    def forget_a_team(self, team, tenant):
        known = [key for key, kept in self.oracle.items() if kept[2] == team and tenant in (None, key[1])]
        assert self.runner.run(self.cache.invalidate(tag=("team", team), tenant=tenant)) == len(known)
        self.forget(known)

    @precondition(lambda self: len(self.oracle) == ROOM)
    @rule()
    def clear(self):
        assert self.runner.run(self.cache.clear()) == len(self.oracle)
        self.oracle.clear()

    # --- what always holds ---

    @invariant()
    def both_hold_the_same(self):
        assert self.store.size.entries == len(self.oracle) <= ROOM

    @invariant()
    def the_books_agree(self):
        stats = self.cache.stats()
        assert (stats.hits, stats.misses, stats.failures) == (self.hits, self.misses, 0)


TestCacheAgainstADict = CacheAgainstADict.TestCase
TestCacheAgainstADict.settings = settings(max_examples=30, stateful_step_count=30)

"""What the circuit breaker must not be without."""

CIRCUIT = "middleware/_circuit.py"
CIRCUITS = "middleware/_circuits.py"
BREAKER = "middleware/breaker.py"
PURE = "tests/middleware/test_circuit.py::"
LAYER = "tests/middleware/test_breaker.py::"

SABOTAGE = [
    (
        CIRCUIT,
        "        if self.retry_after(now):\n            return None\n",
        "",
        PURE + "test_one_call_is_let_through_when_the_opening_is_over",
    ),
    (
        CIRCUIT,
        "        self._leased_until = now + min(longest, LONGEST_LEASE)\n",
        "",
        LAYER + "test_of_a_thousand_callers_at_half_open_one_is_let_through_and_then_all",
    ),
    (
        CIRCUIT,
        "min(longest, LONGEST_LEASE)",
        "math.inf",
        LAYER + "test_a_probe_that_hangs_makes_way_at_its_deadline_or_after_a_minute",
    ),
    (
        CIRCUIT,
        "        if ticket.generation != self.generation:\n            return ticket\n",
        "",
        PURE + "test_a_late_result_of_an_older_generation_is_ignored",
    ),
    (
        CIRCUIT,
        "        if ticket.generation != self.generation:\n            return\n",
        "",
        LAYER + "test_a_late_failure_of_a_call_from_before_does_not_open_it_again",
    ),
    (
        CIRCUIT,
        "if ticket == (self.generation, self._leases):",
        "if True:",
        PURE + "test_a_probe_that_gives_back_an_expired_lease_does_not_end_the_next_ones",
    ),
    (
        CIRCUIT,
        "            self._close(now)\n            return Ticket(self.generation)\n",
        "            self._close(now)\n            return ticket\n",
        LAYER + "test_a_cut_after_the_probes_first_output_counts_against_the_closed_circuit",
    ),
    (
        CIRCUIT,
        "min(self._rules.open_for * 2.0 ** min(self._openings, 64), self._rules.max_open)",
        "self._rules.open_for * 2.0 ** min(self._openings, 64)",
        PURE + "test_openings_double_up_to_the_longest_and_begin_again_after_a_success",
    ),
    (
        CIRCUIT,
        "min(self._openings, 64)",
        "self._openings",
        PURE + "test_a_thousand_openings_in_a_row_are_no_longer_than_the_longest",
    ),
    (
        CIRCUIT,
        "    def _close(self, now: float) -> None:\n        self._openings = 0\n",
        "    def _close(self, now: float) -> None:\n",
        PURE + "test_openings_double_up_to_the_longest_and_begin_again_after_a_success",
    ),
    (
        CIRCUIT,
        "            seconds *= 1 + self._rules.jitter * (2 * self._random() - 1)\n",
        "",
        PURE + "test_jitter_makes_an_opening_shorter_or_longer_by_its_share",
    ),
    (
        CIRCUIT,
        "        self.generation += 1\n",
        "",
        PURE + "test_a_late_result_of_an_older_generation_is_ignored",
    ),
    (
        CIRCUIT,
        "        self.in_a_row = 0\n        self._window.add(now, failed=False)\n",
        "        self._window.add(now, failed=False)\n",
        LAYER + "test_a_success_in_between_begins_the_count_anew",
    ),
    (
        CIRCUIT,
        "calls >= self._rules.least and ",
        "",
        PURE + "test_a_share_of_failures_opens_it_when_there_are_enough_results",
    ),
    (
        CIRCUIT,
        "            self._buckets.popleft()\n",
        "            break\n",
        PURE + "test_results_older_than_the_window_do_not_count",
    ),
    (
        CIRCUITS,
        "        circuit = held.circuit\n        with self._lock:\n",
        "        circuit = held.circuit\n        if True:\n",
        LAYER + "test_a_circuit_is_looked_at_and_changed_behind_the_lock_only",
    ),
    (
        CIRCUITS,
        "        with self._lock:\n            return tuple(\n",
        "        if True:\n            return tuple(\n",
        LAYER + "test_a_circuit_is_looked_at_and_changed_behind_the_lock_only",
    ),
    (
        CIRCUITS,
        "        if seen is not None:\n            self._tell(seen, context)\n        return result\n",
        "            if seen is not None:\n                self._tell(seen, context)\n        return result\n",
        LAYER + "test_a_listener_hears_of_every_change_with_the_lock_free",
    ),
    (
        CIRCUITS,
        ' and not (closed and circuit.state == "closed")',
        "",
        LAYER + "test_a_listener_hears_of_every_change_with_the_lock_free",
    ),
    (
        "middleware/_selection.py",
        '        write(logger, logging.ERROR, fields, "a listener failed: %r", hear, trace=True)\n',
        "        raise\n",
        LAYER + "test_a_listener_that_raises_is_logged_and_changes_nothing",
    ),
    (
        "middleware/_keyed.py",
        "                self._forget()\n",
        "                pass\n",
        LAYER + "test_the_circuits_of_many_models_do_not_fill_the_memory",
    ),
    (
        "middleware/_keyed.py",
        "if self._idle(state)",
        "if True",
        LAYER + "test_the_circuits_of_many_models_do_not_fill_the_memory",
    ),
    (
        "middleware/_keyed.py",
        "                self._offset += self.clock.monotonic() - moment\n",
        "                pass\n",
        LAYER + "test_an_opening_by_hand_before_the_first_call_holds_whatever_clock_the_calls_have",
    ),
    (
        BREAKER,
        "result = await observed(call.made(request, call_next), call.end)",
        "result = await call.made(request, call_next)",
        LAYER + "test_the_probe_is_given_back_when_the_caller_cancels",
    ),
    (
        BREAKER,
        "observed(call.made(request, call_next), call.end)",
        "observed(call_next(request), call.end)",
        LAYER + "test_a_provider_that_raises_before_its_first_await_gives_the_probe_back",
    ),
    (
        BREAKER,
        "            result.on_first_output(call.first_output)\n",
        "            pass\n",
        LAYER + "test_the_probe_succeeds_at_the_first_output_of_a_stream",
    ),
    (
        BREAKER,
        " and call.ticket.lease and not result.partial.cached",
        " and not result.partial.cached",
        LAYER + "test_streams_cut_after_their_first_output_open_it_like_other_failures",
    ),
    (
        BREAKER,
        " and not result.partial.cached",
        "",
        LAYER + "test_an_answer_from_a_cache_is_no_sign_of_life",
    ),
    (
        BREAKER,
        " and not (answer.cached or answer.dry_run)",
        "",
        LAYER + "test_an_answer_from_a_cache_is_no_sign_of_life",
    ),
    (
        BREAKER,
        "        else:\n            self.take(lambda circuit, _: circuit.give_back(self.ticket))\n",
        "        else:\n            pass\n",
        LAYER + "test_a_neutral_end_gives_the_probe_back",
    ),
    (
        BREAKER,
        "            self.take(lambda circuit, _: circuit.give_back(self.ticket))\n            raise\n",
        "            raise\n",
        LAYER + "test_the_probe_is_given_back_when_a_listener_stops_the_program",
    ),
    (
        BREAKER,
        'elif end.outcome == "completed" and answer is not None',
        'elif answer is not None or end.outcome != "failed"',
        LAYER + "test_a_stream_that_is_left_before_its_first_output_gives_the_probe_back",
    ),
    (
        BREAKER,
        " and not refused_here(error)",
        "",
        LAYER + "test_what_was_refused_in_this_process_never_counts",
    ),
]

"""Never above the limit, in order, nobody forgotten, every token settled; the service believed where it makes sense."""

WINDOW = "middleware/_window.py"
CREDIT = "middleware/_credit.py"
LINE = "middleware/_line.py"
CHARGE = "middleware/_charge.py"
LAYER = "middleware/rate_limit.py"
PACE = "middleware/_pace.py"

OF_WINDOW = "tests/middleware/test_window.py::"
OF_CREDIT = "tests/middleware/test_credit.py::"
OF_LAYER = "tests/middleware/test_rate_limit.py::"
OF_GATE = "tests/test_gate.py::"
MODEL = OF_WINDOW + "TestModel::runTest"

SABOTAGE = [
    # --- the window ---
    (
        WINDOW,
        "self.length = per + min(LONGEST_GUARD, GUARD * per)",
        "self.length = per",
        OF_WINDOW + "test_the_window_is_a_little_longer_than_asked",
    ),
    (
        WINDOW,
        "self._requests >= self.requests",
        "self._requests > self.requests",
        OF_LAYER + "test_no_window_holds_more_than_the_limit_however_calls_arrive",
    ),
    (
        WINDOW,
        "return self.tokens is None or self._tokens + tokens <= self.tokens",
        "return True",
        OF_LAYER + "test_no_window_holds_more_than_the_limit_however_calls_arrive",
    ),
    (
        WINDOW,
        "            self._append(charge)\n",
        "            pass\n",
        OF_WINDOW + "test_what_was_used_beyond_the_reservation_is_charged_when_it_is_known",
    ),
    (WINDOW, "            self._tokens += min(over, 0)\n", "            pass\n", MODEL),
    (
        WINDOW,
        "        entry.tokens += min(over, 0)\n",
        "",
        OF_WINDOW + "test_what_was_reserved_too_much_is_given_back_where_it_was_taken",
    ),
    (
        WINDOW,
        "        if entry.logged:\n            self._tokens += min(over, 0)\n",
        "        if True:\n            self._tokens += min(over, 0)\n",
        MODEL,
    ),
    (
        WINDOW,
        "        if entry.closed:\n            return\n        entry.closed = True\n",
        "        entry.closed = True\n",
        OF_WINDOW + "test_a_second_settling_changes_nothing",
    ),
    (
        WINDOW,
        "            self._requests -= entry.requests\n            self._tokens -= entry.tokens\n        entry.closed,",
        "            pass\n        entry.closed,",
        MODEL,
    ),
    (
        WINDOW,
        "            self._log.pop().logged = False",
        "            break",
        OF_WINDOW + "test_calls_that_fail_at_once_do_not_fill_the_memory",
    ),
    (
        WINDOW,
        "            entry.at = max(entry.at, self._log[-1].at)",
        "            pass",
        OF_WINDOW + "test_the_log_stays_in_order_when_a_clock_runs_behind",
    ),
    (
        WINDOW,
        "(self._settled if sure else self._tokens)",
        "self._tokens",
        OF_WINDOW + "test_only_what_is_settled_is_sure_to_stay",
    ),
    (
        WINDOW,
        "            if entry.closed or not sure:\n",
        "            if True:\n",
        OF_WINDOW + "test_what_may_be_given_back_does_not_make_room_for_sure",
    ),
    (
        WINDOW,
        "self._reach = self.length - ROUNDING",
        "self._reach = self.length",
        OF_WINDOW + "test_no_window_holds_more_tokens_than_the_limit_however_calls_arrive",
    ),
    (
        WINDOW,
        "return at + rounds * self.length",
        "return at",
        OF_WINDOW + "test_who_stands_behind_others_waits_for_as_many_to_leave",
    ),
    # --- what the service says ---
    (
        CREDIT,
        "known is None or now >= known.until or entry.number >= known.number",
        "True",
        OF_CREDIT + "test_the_answer_to_the_newest_request_is_believed_whichever_comes_last",
    ),
    (
        CREDIT,
        " or now >= known.until or ",
        " or ",
        OF_CREDIT + "test_after_the_reset_an_older_answer_is_news_again",
    ),
    (
        CREDIT,
        "left[0] - (self._taken - entry.number)",
        "left[0]",
        OF_CREDIT + "test_what_was_sent_since_is_not_in_what_the_service_counted",
    ),
    (
        CREDIT,
        "left[0] - since",
        "left[0]",
        OF_CREDIT + "test_tokens_taken_since_are_not_in_what_the_service_counted",
    ),
    (
        CREDIT,
        "max(self.not_before, now + seconds)",
        "now + seconds",
        OF_CREDIT + "test_a_shorter_wait_does_not_end_a_longer_one",
    ),
    (
        CREDIT,
        "if 0 < seconds <= LONGEST_HOLD:",
        "if seconds > 0:",
        OF_CREDIT + "test_a_wait_that_nobody_would_keep_is_ignored",
    ),
    (
        CREDIT,
        " or remaining < 0 or (limit is not None and remaining > limit)",
        "",
        OF_CREDIT + "test_what_no_sane_service_says_is_not_believed",
    ),
    (
        CREDIT,
        "if 0 < reset <= LONGEST_RESET else None",
        "if 0 < reset else None",
        OF_CREDIT + "test_what_no_sane_service_says_is_not_believed",
    ),
    (
        CREDIT,
        "self._tokens is not None and entry.number > self._tokens.number",
        "self._tokens is not None",
        OF_CREDIT + "test_what_is_given_back_may_be_taken_again_if_it_was_taken_since",
    ),
    # --- the queue ---
    (
        LINE,
        "if not self._waiting and self._fits(now, caller.tokens):",
        "if self._fits(now, caller.tokens):",
        OF_LAYER + "test_who_comes_later_does_not_overtake_though_it_would_fit",
    ),
    (
        LINE,
        "                self._waiting -= 1\n",
        "                pass\n",
        OF_LAYER + "test_a_waiter_that_is_cancelled_leaves_and_the_next_moves_up",
    ),
    (
        LINE,
        "            self._turnstile.leave()\n",
        "            pass\n",
        OF_LAYER + "test_after_a_cancellation_at_any_step_nothing_waits_and_nothing_is_lost",
    ),
    (
        LINE,
        "                with self._lock:\n                    self._head = None\n",
        "                pass\n",
        OF_LAYER + "test_after_a_cancellation_at_any_step_nothing_waits_and_nothing_is_lost",
    ),
    (
        LINE,
        "                self._queued -= caller.tokens\n",
        "                pass\n",
        OF_LAYER + "test_after_a_cancellation_at_any_step_nothing_waits_and_nothing_is_lost",
    ),
    (
        LINE,
        "return bell if self._due(now, tokens)[0] < wakes - NO_NEWS else None",
        "return None",
        OF_LAYER + "test_room_that_a_settling_frees_wakes_the_next_at_once",
    ),
    (
        LINE,
        "return bell if self._due(now, tokens)[0] < wakes - NO_NEWS else None",
        "return bell if self._fits(now, tokens) else None",
        OF_LAYER + "test_room_that_a_settling_frees_wakes_the_next_at_once",
    ),
    (
        LINE,
        "            self._credit.hear(info, entry, now)\n            bell = self._freed(now)\n",
        "            self._credit.hear(info, entry, now)\n            bell = None\n",
        OF_LAYER + "test_news_of_a_stream_that_opens_wake_who_waits",
    ),
    (
        LINE,
        "return not left or max(sure, self._credit.not_before) - now > left",
        "return not left",
        OF_LAYER + "test_a_call_that_is_certain_to_come_too_late_is_refused_at_once",
    ),
    (
        LINE,
        "max(sure, self._credit.not_before) - now > left",
        "sure - now > left",
        OF_LAYER + "test_a_deadline_before_the_service_wants_to_be_asked_is_refused_while_others_are_under_way",
    ),
    (
        LINE,
        "        if not self._flying:  #",
        "        if True:  #",
        OF_LAYER + "test_a_used_up_service_is_waited_for_while_news_may_come",
    ),
    (
        LINE,
        "min(due - now, caller.left())",
        "due - now",
        OF_LAYER + "test_a_call_whose_turn_might_come_waits_as_long_as_it_may",
    ),
    (
        LINE,
        "if not await caller.guard(self._turnstile.enter()):",
        "if await self._turnstile.enter():",
        OF_LAYER + "test_a_caller_in_the_queue_gives_up_in_time_too",
    ),
    (
        LINE,
        "            if self._waiting and self._last[0] >= due:",
        "            if False:",
        OF_LAYER + "test_a_caller_in_the_queue_gives_up_in_time_too",
    ),
    (
        LINE,
        "            self._flying.discard(caller)\n            now = self._time.now(caller.clock)\n            reserved",
        "            now = self._time.now(caller.clock)\n            reserved",
        OF_LAYER + "test_a_stream_that_is_kept_after_its_end_is_under_way_no_longer",
    ),
    (
        LINE,
        "            elif forgotten == self.guess:\n                self.guess = max(outputs)\n",
        "",
        OF_LAYER + "test_old_answers_are_forgotten",
    ),
    (
        LINE,
        "max(A_MOMENT, min(due - now, caller.left()))",
        "min(due - now, caller.left())",
        OF_LAYER + "test_a_sleeper_that_wakes_a_hair_too_early_gets_on",
    ),
    (
        LINE,
        "self._time = Timeline()  #",
        'self._time = type("Raw", (), {"clock": None, "now": lambda _, clock: clock.monotonic()})()  #',
        OF_LAYER + "test_a_limit_holds_for_clients_whose_clocks_differ",
    ),
    # --- what a call costs ---
    (
        CHARGE,
        "        if self._unsent(error):\n",
        "        if False:\n",
        OF_LAYER + "test_a_call_that_was_not_sent_costs_nothing",
    ),
    (
        CHARGE,
        "self._used(end) if self._counted else None",
        "None",
        OF_LAYER + "test_the_real_usage_replaces_what_was_reserved",
    ),
    (
        CHARGE,
        "if exchanges == 0 and journalled(self._inner):",
        "if exchanges == 0:",
        OF_LAYER + "test_a_call_cancelled_inside_before_it_was_sent_costs_nothing_where_that_can_be_known",
    ),
    (
        CHARGE,
        "return exchanges <= 1 and error is not None",
        "return error is not None",
        OF_LAYER + "test_a_refused_connection_after_another_attempt_inside_still_counts",
    ),
    (
        CHARGE,
        "        if most is not None and prompt + asked > most:\n            raise self._line.too_large(prompt, asked)\n",
        "",
        OF_LAYER + "test_a_call_larger_than_the_limit_is_refused_with_both_numbers",
    ),
    (
        CHARGE,
        "        if most is not None and self.tokens > most:\n            self.tokens = most\n",
        "",
        OF_LAYER + "test_a_guess_reserves_no_more_than_the_limit",
    ),
    (
        CHARGE,
        "answer is not None and not self._streams:",
        "answer is not None:",
        OF_LAYER + "test_headers_of_an_old_stream_are_not_news_when_it_closes",
    ),
    (
        CHARGE,
        "        if usage.untrusted and _COUNTS.intersection(usage.untrusted):\n            return None\n",
        "",
        OF_LAYER + "test_an_unknown_usage_leaves_the_reservation",
    ),
    (
        CHARGE,
        'error.kind != "local" and ',
        "",
        OF_LAYER + "test_other_failures_hold_nobody_back",
    ),
    (
        CHARGE,
        'if end.outcome == "failed" and not answer.message.parts:',
        "if False:",
        OF_LAYER + "test_a_stream_that_fails_before_its_first_output_keeps_its_reservation",
    ),
    (
        CHARGE,
        'return self._prompt if end.outcome == "cancelled" else None',
        "return None",
        OF_LAYER + "test_a_call_cancelled_under_way_has_taken_its_input",
    ),
    # --- the layer, the pace, the bell ---
    (
        LAYER,
        "        if context.dry_run:",
        "        if False:",
        OF_LAYER + "test_a_dry_run_neither_waits_nor_counts",
    ),
    (
        LAYER,
        "if self._process != os.getpid():",
        "if False:",
        OF_LAYER + "test_a_forked_child_does_not_stand_behind_its_parents_queue",
    ),
    (
        LAYER,
        "self._lines = Keyed(self._new_line, Line.idle)",
        "self._lines = Keyed(self._new_line, lambda _: False)",
        OF_LAYER + "test_destinations_at_rest_are_forgotten_when_there_are_too_many",
    ),
    (
        PACE,
        "            self._waiting -= 1\n",
        "            pass\n",
        OF_LAYER + "test_a_pace_waits_for_those_alone_who_are_there",
    ),
    (
        "gate.py",
        "            if error is not self._alarm.error:\n                raise\n",
        "            pass\n",
        OF_GATE + "test_what_a_sleep_fails_with_comes_out",
    ),
    (
        "gate.py",
        "self._loop.call_soon_threadsafe(self._alarm.trip, ",
        "self._alarm.trip(",
        OF_GATE + "test_a_bell_that_another_thread_rings_touches_the_sleeper_on_its_own_loop_only",
    ),
    (
        "gate.py",
        "        with contextlib.suppress(RuntimeError):  # its",
        "        if True:  # its",
        OF_GATE + "test_a_bell_on_a_loop_that_is_gone_rings_for_nobody",
    ),
]

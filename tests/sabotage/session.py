"""Sessions: turns that come back, a history that is a conversation, money that holds, nothing that is silently 0."""

TESTS = "tests/session/test_session.py::"

SABOTAGE = [
    (
        "conversation.py",
        "        if not self._gate.enter_now():\n            await self._wait(clock, patience)\n",
        "",
        TESTS + "test_of_two_calls_at_once_the_second_waits_and_hears_the_first",
    ),
    (
        "conversation.py",
        '            end.outcome == "completed"\n            and isinstance',
        "            isinstance",
        TESTS + "test_a_stream_left_early_adds_nothing_and_gives_its_turn_back",
    ),
    (
        "conversation.py",
        "            and answer.message.parts\n",
        "",
        TESTS + "test_an_empty_answer_adds_nothing_because_no_service_would_take_it_back",
    ),
    (
        "conversation.py",
        "if self._owner is not None and self._owner is owner:",
        "if False:",
        TESTS + "test_a_call_inside_ones_own_open_stream_is_refused_instead_of_waiting_for_itself",
    ),
    (
        "conversation.py",
        "            self._loop.call_soon_threadsafe(conversation.leave, self._gate)\n",
        "            pass\n",
        TESTS + "test_a_stream_that_its_reader_drops_gives_its_turn_back_and_has_a_row",
    ),
    (
        "conversation.py",
        "        if kept[len(kept) - len(new) :] != new:\n",
        "        if False:\n",
        TESTS + "test_a_prompt_that_alone_does_not_fit_is_refused_and_not_cut",
    ),
    (
        "conversation.py",
        "        after_fork(self, Conversation._nobodys_turn)\n",
        "",
        "tests/sync/test_session.py::test_a_forked_child_waits_for_no_turn_of_its_parent",
    ),
    (
        "session/state.py",
        "            layers = (*layers, self.budget)\n",
        "            pass\n",
        TESTS + "test_items_at_once_never_spend_more_than_the_budget",
    ),
    (
        "session/state.py",
        "alerts=()), setup.spent_usd)",
        "alerts=()), Decimal(0))",
        "tests/session/test_saving.py::test_what_was_spent_before_is_spent_after",
    ),
    (
        "session/book.py",
        "            self._due = [waiting for waiting in self._due if waiting not in reached]\n",
        "",
        TESTS + "test_alerts_come_once_each_in_order_to_plain_and_async_callbacks",
    ),
    (
        "session/book.py",
        "            context.observe(_Late(book, number, row, context).see)\n",
        "            pass\n",
        TESTS + "test_an_exchange_that_outlives_its_request_is_added_to_its_row_when_it_ends",
    ),
    (
        "session/record.py",
        "evolve(self.options, extra={})",
        "self.options",
        "tests/session/test_saving.py::test_extra_settings_are_left_out_because_they_may_be_secret_and_can_be_given_again",
    ),
]

"""Never more than there is, never twice, never lost, never told to the wrong one."""

BALANCE = "tests/ledger/test_balance.py::"
STORE = "tests/ledger/test_store_books.py::"
LEDGER = "tests/ledger/test_ledger.py::"
BUDGET = "tests/middleware/test_budget.py::"
STREAMS = "tests/middleware/test_budget_streams.py::"

SABOTAGE = [
    (
        "ledger/balance.py",
        "cap.of(self.spent) + cap.of(self.reserved) + asked > cap.amount",
        "cap.of(self.spent) + asked > cap.amount",
        BUDGET + "test_a_hundred_calls_at_once_against_a_budget_for_ten_admit_exactly_ten",
    ),
    (
        "ledger/balance.py",
        "        if identity in self._settled:\n            return False\n",
        "",
        BALANCE + "test_a_second_settling_changes_nothing",
    ),
    (
        "ledger/balance.py",
        "if spent >= mark.reached and mark not in self._fired:",
        "if spent >= mark.reached:",
        BUDGET + "test_alerts_are_told_once_under_concurrency",
    ),
    (
        "ledger/books.py",
        (
            "                    for done in booking.lines[:place]:\n"
            "                        self._balances[done.key].release(booking.id)\n"
        ),
        "",
        LEDGER + "test_all_lines_are_reserved_or_none",
    ),
    (
        "ledger/shelf.py",
        "                done = fresh  # what",
        "                done = True  # what",
        STORE + "test_what_one_ledger_remembers_decides_nothing_when_another_has_changed_it",
    ),
    (
        "ledger/shelf.py",
        "return await uninterrupted(self._tried(entry, change))",
        "return await self._tried(entry, change)",
        STORE + "test_a_cancellation_of_a_call_at_any_step_leaves_nothing_reserved",
    ),
    (
        "ledger/store_books.py",
        "            self._shelf.owe(self._entry(line.account, line.key, now).key, later)\n",
        "",
        STORE + "test_what_cannot_be_written_at_the_end_of_a_call_is_written_once_when_the_store_is_back[before]",
    ),
    (
        "ledger/ledger.py",
        "            new = [attempt for attempt in journal if attempt.number not in seen]\n",
        "            new = list(journal)\n",
        BUDGET + "test_two_budgets_around_one_call_count_it_once",
    ),
    (
        "middleware/_budget_call.py",
        "            self._context.observe(self._late)  #",
        "            pass  #",
        BUDGET + "test_the_cost_of_a_shared_call_whose_leader_left_is_not_lost",
    ),
    (
        "middleware/_budget_reach.py",
        "        if self._room < 0:\n",
        "        if False:\n",
        STREAMS + "test_a_stream_that_outgrows_its_reservation_is_ended_with_what_it_gave",
    ),
    (
        "response.py",
        "            if value is not None and (type(value) is not int or value < 0):",
        "            if False:",
        BUDGET + "test_a_count_that_cannot_be_is_no_money_for_free",
    ),
    (
        "prices/charges.py",
        "    except ConfigError as error:",
        "    except ZeroDivisionError as error:",
        BUDGET + "test_a_price_that_fails_after_the_call_takes_what_was_set_aside",
    ),
    (
        "bulk/journal.py",
        "    return Cost(Decimal(cost)).usd\n",
        "    return Decimal(cost)\n",
        "tests/bulk/test_journal.py::test_a_file_of_somebody_else_is_left_as_it_is",
    ),
    (
        "ledger/rows.py",
        "        if identity in self._counted:\n",
        "        if False:\n",
        "tests/middleware/test_budget_mix.py::test_whatever_the_mix_what_is_spent_is_what_was_paid_and_within_the_bound",
    ),
    (
        "middleware/budget.py",
        "        result = await observed(made(), call.end)\n",
        "        result = await observed(call_next(request), call.end)\n",
        BUDGET + "test_a_layer_that_raises_before_its_first_await_gives_everything_back",
    ),
]

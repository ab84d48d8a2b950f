"""Many calls: the bound, the input's pace, the tasks, and no outcome that is lost."""

TESTS = "tests/bulk/test_mapping.py::"

SABOTAGE = [
    (
        "bulk/mapping.py",
        "self._hired < self._concurrency and ",
        "",
        TESTS + "test_the_input_is_read_only_when_a_place_is_free",
    ),
    (
        "bulk/mapping.py",
        "            await uninterrupted(_ended(self._workers))\n",
        "            pass\n",
        TESTS + "test_raise_cancels_the_others_and_raises_the_failure_with_the_place_of_its_item",
    ),
    (
        "bulk/mapping.py",
        " or isinstance(error, ClientClosedError)",
        "",
        TESTS + "test_a_closed_client_ends_the_batch_instead_of_failing_an_endless_input_for_ever",
    ),
    (
        "bulk/mapping.py",
        "                    worker.result()  # an",
        "                    pass  # an",
        TESTS + "test_an_interruption_in_a_call_goes_through_and_ends_the_others",
    ),
    (
        "bulk/mapping.py",
        "if self._async is not None and self._ours else None",
        "if False else None",
        TESTS + "test_an_async_input_that_was_made_here_is_closed_when_it_ends_early",
    ),
    (
        "sync/bulk.py",
        "            self._orders.put(lambda: listener.tell(progress))\n",
        "            listener.tell(progress)\n",
        "tests/sync/test_bulk.py::test_the_input_is_read_and_the_progress_told_in_the_callers_thread",
    ),
    (
        "bulk/journal.py",
        "        os.ftruncate(self._fd, begins)\n        return begins\n",
        "        return begins\n",
        "tests/bulk/test_journal.py::test_a_torn_last_line_is_cut_off_wherever_it_was_torn",
    ),
    (
        "bulk/journal.py",
        "            os.ftruncate(self._fd, self._end)\n",
        "            pass\n",
        "tests/bulk/test_journal.py::test_a_disk_that_is_full_is_a_typed_error_and_leaves_no_half_line",
    ),
    (
        "bulk/journal.py",
        "        self._left[place] -= 1\n",
        "",
        "tests/bulk/test_runs.py::test_equal_lines_have_a_result_each",
    ),
    (
        "bulk/runs.py",
        "    if left:\n        raise ConfigError(",
        "    if False:\n        raise ConfigError(",
        "tests/bulk/test_runs.py::test_results_of_another_input_are_not_mixed_with_these",
    ),
    (
        "bulk/runs.py",
        "                if self._under_way == 1:\n                    raise\n                del error\n",
        "                raise error\n",
        "tests/bulk/test_runs.py::test_what_does_not_fit_beside_the_others_waits_for_them",
    ),
    (
        "bulk/runs.py",
        "client = _held_to(client, limit, before.usd)",
        "client = _held_to(client, limit, Decimal(0))",
        "tests/bulk/test_runs.py::test_the_budget_holds_over_all_runs_and_a_larger_one_goes_on",
    ),
    (
        "bulk/journal.py",
        "                    elif line.usd:\n",
        "                    elif False:\n",
        "tests/bulk/test_runs.py::test_what_failures_have_cost_is_not_forgotten_when_they_are_asked_again",
    ),
    (
        "ledger/shelf.py",
        "self._failures += kind not in UNREADABLE",
        "self._failures += 1",
        "tests/ledger/test_store_books.py::test_a_record_that_cannot_be_read_stops_no_other",
    ),
]

"""Many calls: the bound, the input's pace, the tasks, and no outcome that is lost."""

TESTS = "tests/test_bulk.py::"

SABOTAGE = [
    (
        "bulk.py",
        "self._hired < self._concurrency and ",
        "",
        TESTS + "test_the_input_is_read_only_when_a_place_is_free",
    ),
    (
        "bulk.py",
        "            await uninterrupted(_ended(self._workers))\n",
        "            pass\n",
        TESTS + "test_raise_cancels_the_others_and_raises_the_failure_with_the_place_of_its_item",
    ),
    (
        "bulk.py",
        " or isinstance(error, ClientClosedError)",
        "",
        TESTS + "test_a_closed_client_ends_the_batch_instead_of_failing_an_endless_input_for_ever",
    ),
    (
        "bulk.py",
        "                    worker.result()  # an",
        "                    pass  # an",
        TESTS + "test_an_interruption_in_a_call_goes_through_and_ends_the_others",
    ),
    (
        "bulk.py",
        "if self._async is not None and self._ours else None",
        "if False else None",
        TESTS + "test_an_async_input_that_was_made_here_is_closed_when_it_ends_early",
    ),
    (
        "syncbulk.py",
        "            self._orders.put(lambda: listener.tell(progress))\n",
        "            listener.tell(progress)\n",
        "tests/test_syncbulk.py::test_the_input_is_read_and_the_progress_told_in_the_callers_thread",
    ),
]

"""Permits: no more than there are, in order, and all of them back."""

LAYER = "tests/middleware/test_concurrency.py::"

SABOTAGE = [
    (
        "middleware/concurrency.py",
        "        if not entered:\n            await self._wait(gate, key, context)\n",
        "",
        LAYER + "test_no_more_than_the_limit_are_under_way",
    ),
    (
        "middleware/concurrency.py",
        "return await observed(made(), permit.end)",
        "return await made()",
        LAYER + "test_all_permits_are_back_after_a_cancellation_at_any_step",
    ),
    (
        "middleware/concurrency.py",
        "observed(made(), permit.end)",
        "observed(call_next(request), permit.end)",
        LAYER + "test_a_provider_that_raises_before_its_first_await_gives_the_permit_back",
    ),
    (
        "middleware/concurrency.py",
        "            self._loop.call_soon_threadsafe(gate.leave)\n",
        "            pass\n",
        LAYER + "test_a_stream_that_is_dropped_gives_it_back",
    ),
    (
        "middleware/concurrency.py",
        "        except RuntimeError:  # the loop is closed\n            gate.leave()\n",
        "        except RuntimeError:  # the loop is closed\n            pass\n",
        LAYER + "test_a_stream_that_is_dropped_after_its_loop_gives_it_back",
    ),
    (
        "middleware/concurrency.py",
        "alarm.set(context.clock.monotonic() + longest, ",
        "alarm.set(float('inf'), ",
        LAYER + "test_a_wait_that_is_too_long_is_refused",
    ),
    (
        "middleware/concurrency.py",
        "            finally:\n                alarm.stop()\n",
        "            finally:\n                pass\n",
        LAYER + "test_a_wait_that_is_short_enough_is_no_error",
    ),
    (
        "middleware/concurrency.py",
        "min(context.remaining(), context.remaining() if self.max_wait is None else self.max_wait)",
        "context.remaining() if self.max_wait is None else self.max_wait",
        LAYER + "test_a_wait_ends_at_the_deadline",
    ),
    (
        "middleware/concurrency.py",
        ", bounded=False)",
        ")",
        LAYER + "test_no_gate_in_use_is_forgotten_however_many_there_are",
    ),
    (
        "middleware/concurrency.py",
        "return gate.free == self.limit and not gate.waiting",
        "return True",
        LAYER + "test_the_gates_of_many_models_do_not_fill_the_memory_and_none_in_use_is_forgotten",
    ),
    (
        "gate.py",
        "            if self._free < 1:\n                return False\n",
        "",
        "tests/test_gate.py::test_a_permit_is_taken_without_waiting_only_if_it_is_free_and_nobody_waits",
    ),
    (
        "middleware/concurrency.py",
        "if self._process != os.getpid():",
        "if False:",
        LAYER + "test_a_forked_child_does_not_wait_for_permits_of_its_parent",
    ),
]

"""Permits in order, none lost; an alarm that is told apart from the caller's cancellation."""

SABOTAGE = [
    (
        "gate.py",
        "self._queue.popitem(last=False)",
        "self._queue.popitem()",
        "tests/test_gate.py::test_permits_are_granted_in_the_order_of_asking",
    ),
    (
        "gate.py",
        "            if waiter.granted:\n                self.leave()\n",
        "",
        "tests/test_gate.py::test_a_waiter_cancelled_just_after_it_was_granted_hands_the_permit_on",
    ),
    (
        "gate.py",
        "                self._queue.pop(waiter, None)\n",
        "                pass\n",
        "tests/test_gate.py::test_a_cancelled_waiter_leaves_the_queue",
    ),
    (
        "gate.py",
        "            waiter.granted = False\n            return False\n",
        "            pass\n",
        "tests/test_gate.py::test_a_waiter_whose_loop_is_closed_is_skipped_and_costs_no_permit",
    ),
    (
        "gate.py",
        "            if error is None or task.cancelling() - 1 > before:\n                raise\n",
        "            if error is None:\n                raise\n",
        "tests/test_gate.py::test_a_cancellation_from_outside_together_with_the_alarm_goes_through",
    ),
    (
        "gate.py",
        "                task.uncancel()\n",
        "                pass\n",
        "tests/test_gate.py::test_an_alarm_takes_its_own_cancellation_back",
    ),
    (
        "gate.py",
        "        except asyncio.CancelledError:\n            cancelled = True\n",
        "        except asyncio.CancelledError:\n            raise\n",
        "tests/test_gate.py::test_cleanup_runs_to_its_end_and_the_cancellation_goes_through_after_it",
    ),
]

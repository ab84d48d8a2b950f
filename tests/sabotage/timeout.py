"""Lower limits inside, the old ones outside."""

LAYER = "tests/middleware/test_timeout.py::"

SABOTAGE = [
    (
        "middleware/timeout.py",
        "                context.timeouts, context.deadline = before\n",
        "                pass\n",
        LAYER + "test_outside_it_the_limits_are_as_before",
    ),
    (
        "middleware/timeout.py",
        "            if context.timeouts is lowered:",
        "            if True:",
        LAYER + "test_one_pass_that_ends_does_not_loosen_another_that_runs_beside_it",
    ),
    (
        "middleware/timeout.py",
        "own if context.deadline is None else min(context.deadline, own)",
        "own",
        LAYER + "test_a_limit_is_lowered_never_raised",
    ),
    (
        "middleware/timeout.py",
        "min(self._limits[name], math.inf if current is None else current)",
        "self._limits[name]",
        LAYER + "test_a_limit_is_lowered_never_raised",
    ),
]

"""Reasoning: one measure is given, each service takes its nearest, and what was rounded is told."""

EFFORTS = "tests/wire/test_efforts.py::"

SABOTAGE = [
    (
        "options.py",
        "        if (self.effort is None) == (self.budget_tokens is None):\n",
        "        if self.effort is None and self.budget_tokens is None:\n",
        EFFORTS + "test_both_and_neither_are_refused",
    ),
    (
        "wire/efforts.py",
        '    some = [word for word in words if word != "none"]\n',
        "    some = list(words)\n",
        EFFORTS + "test_the_nearest_word_stands_for_those_that_are_not_taken",
    ),
    (
        "wire/efforts.py",
        "        if word != wanted.effort:\n",
        "        if False:\n",
        EFFORTS + "test_the_page_says_what_a_service_is_asked_for",
    ),
    (
        "wire/anthropic_thinking.py",
        "        fitting = max(_LEAST, limit - 1)\n",
        "        fitting = max(_LEAST, limit)\n",
        EFFORTS + "test_claudes_budget_stays_below_the_limit_and_above_the_least",
    ),
    (
        "wire/openai_chat.py",
        '        elif self.profile.metadata == "stored" and not stored:\n',
        "        elif False:\n",
        "tests/wire/test_openai_encode.py::test_what_cannot_be_honoured_is_a_warning_and_under_strict_an_error",
    ),
]

"""The command line: what fails is told and forgotten, and what is not there is not made."""

SABOTAGE = [
    (
        "cli/chat.py",
        "            self.failed = True\n",
        "",
        "tests/cli/test_chat.py::test_a_last_message_that_is_not_answered_is_exit_one",
    ),
    (
        "cli/chat.py",
        "self._messages = [*asked, answer.message]",
        "self._messages = [*asked]",
        "tests/cli/test_chat.py::test_what_was_said_is_remembered",
    ),
    (
        "cli/cost.py",
        "    if not Path(arguments.ledger).is_file():\n",
        "    if not arguments.ledger:\n",
        "tests/cli/test_facts.py::test_a_report_of_no_books_is_wrong_usage_and_makes_none",
    ),
    (
        "cli/bulk.py",
        "    if isinstance(state.stopped, ConfigError):\n        raise state.stopped\n",
        "",
        "tests/cli/test_bulk_command.py::test_a_price_that_nobody_knows_is_wrong_set_up_under_a_budget",
    ),
]

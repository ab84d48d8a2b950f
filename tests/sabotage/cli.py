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
        "    if not Path(place).is_file():\n",
        "    if not place:\n",
        "tests/cli/test_facts.py::test_a_report_of_no_books_is_wrong_usage_and_makes_none",
    ),
    (
        "cli/bulk.py",
        "    if isinstance(state.stopped, ConfigError):\n        raise state.stopped\n",
        "",
        "tests/cli/test_bulk_command.py::test_a_price_that_nobody_knows_is_wrong_set_up_under_a_budget",
    ),
    (
        "cli/tables.py",
        "escaped(str(cell))",
        "str(cell)",
        "tests/cli/test_tables.py::test_what_others_wrote_is_shown_and_not_obeyed",
    ),
    (
        "cli/tables.py",
        'rich["text"].Text(cell, style=STYLES.get(cell, ""))',
        "cell",
        "tests/cli/test_tables.py::test_what_others_wrote_is_shown_and_not_obeyed",
    ),
    (
        "cli/tables.py",
        "not sys.stdout.isatty() or ",
        "",
        "tests/cli/test_tables.py::test_a_pipe_gets_plain_text",
    ),
    (
        "cli/completion.py",
        "        @VALUES@) return ;;\n",
        "",
        "tests/cli/test_completion.py::test_bash_offers_what_may_follow",
    ),
    (
        "cli/chat.py",
        "sys.stderr if self._arguments.json else None",
        "None",
        "tests/cli/test_chat.py::test_with_json_an_answer_is_a_line_and_all_else_is_on_standard_error",
    ),
    (
        "cli/standing.py",
        "{provider.name: provider for provider in map(provider_for, found)}",
        "{name: provider_for(name) for name in found}",
        "tests/cli/test_facts.py::test_check_all_looks_at_every_provider_that_has_credentials",
    ),
]

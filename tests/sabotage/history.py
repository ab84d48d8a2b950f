"""Conversations: pairs that stay together, and what must not be lost."""

HISTORY, TURNS = "history.py", "turns.py"
H, T = "tests/test_history.py::", "tests/test_turns.py::"

SABOTAGE = [
    (
        TURNS,
        "        last = max(last, end)\n",
        "        last = index\n",
        T + "test_an_answer_and_the_results_of_its_calls_are_one_group",
    ),
    (
        TURNS,
        "if parts and missing:",
        "if False:",
        T + "test_a_call_without_result_and_a_result_without_call_are_refused",
    ),
    (
        HISTORY,
        " and not _headless(groups, kept):",
        ":",
        H + "test_what_was_trimmed_begins_with_a_question_where_there_is_one",
    ),
    (
        HISTORY,
        "index not in (asked, last)",
        "index != last",
        H + "test_of_one_long_turn_the_oldest_tool_uses_go_and_the_question_stays",
    ),
    (HISTORY, ", 0o600)", ", 0o644)", H + "test_only_the_owner_may_read_what_was_said_and_no_draft_is_left"),
    (
        HISTORY,
        "        draft.unlink(missing_ok=True)\n",
        "        pass\n",
        H + "test_a_conversation_that_cannot_be_saved_leaves_the_old_file_and_no_draft",
    ),
    (
        "interchange.py",
        "if name not in openai_history.FIELDS and value is not None",
        "if False",
        "tests/test_interchange.py::test_an_unknown_field_of_a_message_is_said_to_be_left_out",
    ),
    (
        "wire/openai_history.py",
        "    if not isinstance(content, list) or all(map(_plain, content)):\n",
        "    if True:\n",
        "tests/test_interchange.py::test_marks_of_a_service_stay_on_their_text_in_every_role",
    ),
]

"""Rows of the matrix that are met elsewhere, and those that are not met at all, with the reason."""

from __future__ import annotations

COVERED = {
    8: (  # it lowers the limit of the process, which is done once
        "tests/test_http.py::test_too_many_open_files_is_an_error_of_its_own",
        "tests/test_errors.py::test_every_row_of_the_outcome_table",
    ),
    15: ("tests/test_http.py::test_verification_cannot_be_turned_off",),
    59: (
        "tests/wire/test_sse.py::test_any_cutting_into_reads_gives_the_same_events",
        "tests/test_conformance.py::test_a_golden_stream_may_be_split_and_cut_anywhere",
    ),
    60: ("tests/wire/test_sse.py::test_decodes_what_the_standard_says",),
    87: (
        "tests/middleware/test_single_flight.py::test_a_leader_that_leaves_ends_nothing_for_the_others",
        "tests/middleware/test_single_flight.py::test_the_last_one_that_leaves_ends_the_call_at_once",
        "tests/middleware/test_single_flight_streams.py::test_a_leader_that_leaves_ends_nothing_for_the_others",
        "tests/middleware/test_single_flight_streams.py::test_the_last_one_that_leaves_closes_the_source_at_once",
        "tests/middleware/test_single_flight.py::test_a_cancellation_of_one_at_any_step_does_not_touch_the_others",
    ),
    88: (
        "tests/test_redis_store.py::test_a_cancelled_call_leaves_no_answer_behind_for_another",
        "tests/test_redis_store.py::test_after_cancellations_a_thousand_calls_get_their_own_answers",
        "tests/test_redis_store.py::test_a_swap_that_is_cancelled_is_done_whole_or_not_at_all",
        "tests/test_redis_store.py::test_a_cancelled_call_closes_its_connection",
    ),
    92: (
        "tests/sync/test_client.py::test_an_interrupted_call_is_cancelled_before_the_interruption_goes_on",
        "tests/sync/test_client.py::test_an_interrupted_stream_ends_as_cancelled",
    ),
    93: (
        "tests/middleware/test_hooks.py::test_a_hook_that_fails_is_logged_and_changes_nothing",
        "tests/middleware/test_hooks.py::test_a_cancellation_while_a_hook_waits_goes_through",
    ),
    96: ("tests/test_redis_store.py::test_entries_live_by_the_servers_clock_whatever_a_clients_says",),
    97: (
        "tests/middleware/test_breaker.py::test_of_a_thousand_callers_at_half_open_one_is_let_through_and_then_all",
        "tests/middleware/test_breaker.py::test_of_sixteen_threads_at_half_open_one_is_let_through",
    ),
    98: (
        "tests/middleware/test_breaker.py::test_a_late_failure_of_a_call_from_before_does_not_open_it_again",
        "tests/middleware/test_breaker.py::test_a_late_success_of_a_call_from_before_does_not_close_it",
    ),
    99: ("tests/middleware/test_breaker.py::test_a_probe_that_hangs_makes_way_at_its_deadline_or_after_a_minute",),
    100: (
        "tests/middleware/test_rate_limit.py::test_no_window_holds_more_than_the_limit_however_calls_arrive",
        "tests/middleware/test_rate_limit.py::test_two_loops_on_two_threads_keep_to_one_limit",
    ),
    101: ("tests/middleware/test_rate_limit.py::test_a_large_call_among_small_ones_is_served_in_its_turn",),
    102: ("tests/middleware/test_rate_limit.py::test_a_call_larger_than_the_limit_is_refused_with_both_numbers",),
    104: (
        "tests/middleware/test_single_flight.py::test_a_thousand_concurrent_identical_calls_are_one",
        "tests/middleware/test_single_flight.py::test_an_error_reaches_each_as_its_own",
        "tests/middleware/test_single_flight.py::test_an_error_is_not_kept_for_those_who_come_later",
    ),
    105: (
        "tests/net/test_connections.py::test_two_loops_in_two_threads_have_connections_of_their_own",
        "tests/net/test_connections.py::test_a_forked_child_opens_connections_of_its_own_and_leaves_the_parents_alone",
        "tests/sync/test_client.py::test_a_forked_child_gets_a_thread_of_its_own",
    ),
    106: ("tests/test_client.py::test_a_call_in_flight_finishes_on_the_chain_it_began_with",),
    115: (
        "tests/config/test_bad_files.py::test_a_bad_file_is_refused_by_path_and_without_its_values",
        "tests/config/test_files.py::test_aliases_that_grow_without_end_are_refused_at_once",
        "tests/config/test_files.py::test_a_tag_makes_no_object",
    ),
    128: (
        "tests/test_secrets.py::test_no_way_of_printing_shows_the_value",
        "tests/test_http.py::test_no_error_holds_the_key_the_prompt_or_a_frame_of_the_library",
        "tests/middleware/test_logging.py::test_content_appears_nowhere_unless_asked_for",
        "tests/security/test_canary.py::test_whatever_goes_wrong_nobody_is_told_a_secret",
        "tests/security/test_canary.py::test_a_service_that_repeats_all_it_was_sent_tells_nobody",
    ),
}
"""Row: the tests, in this order of weight. `test_matrix` sees that they exist."""

NOT_RUN = {
    130: "nothing here runs a tool yet: the loop that does comes later",
}
"""Row: why it cannot be met yet."""

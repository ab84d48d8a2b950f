"""Asking targets in turn: who is next, what they are asked, what it costs, and what comes out."""

ENGINE, TARGETS = "middleware/_branches.py", "middleware/_targets.py"
TESTS = "tests/middleware/test_fallback.py::"

SABOTAGE = [
    (
        ENGINE,
        "ask(branch, branch.asked(request))",
        "ask(branch, request)",
        TESTS + "test_a_model_that_the_request_names_is_the_primarys_unless_kept",
    ),
    (
        "opening.py",
        "            await result.commit()\n",
        "            pass\n",
        TESTS + "test_a_stream_that_fails_before_its_first_output_is_replaced_unnoticed",
    ),
    (
        "opening.py",
        "            await result.close()\n            raise\n",
        "            raise\n",
        TESTS + "test_a_stream_is_closed_though_an_onlooker_has_a_bug",
    ),
    (
        ENGINE,
        "        except (DryRunStop, StreamInterruptedError):\n            raise\n",
        "",
        TESTS + "test_which_errors_lead_on_is_the_users_to_say",
    ),
    (
        ENGINE,
        "        except AIClientError as error:\n            failed",
        "        except Exception as error:\n            failed",
        TESTS + "test_a_bug_leads_nowhere",
    ),
    (
        ENGINE,
        "refused_locally(error) and context.started == started",
        "refused_locally(error)",
        TESTS + "test_a_refusal_after_something_was_sent_is_not_free",
    ),
    (
        ENGINE,
        "refused_locally(error) and context.started == started",
        "context.started == started",
        TESTS + "test_without_a_journal_a_failure_is_still_not_taken_for_a_refusal",
    ),
    (
        ENGINE,
        "not (last.free or context.take_extra())",
        "not context.take_extra()",
        TESTS + "test_an_open_circuit_takes_no_attempt",
    ),
    (
        ENGINE,
        "not (last.free or context.take_extra())",
        "False",
        TESTS + "test_a_validation_around_a_fallback_around_retries_sends_no_more_than_the_attempts_left",
    ),
    (
        ENGINE,
        "    if context.remaining() <= 0:\n        return None\n",
        "",
        TESTS + "test_nobody_else_is_asked_when_the_time_is_over",
    ),
    (ENGINE, "        failed.clear()", "        pass", TESTS + "test_errors_are_freed_without_the_garbage_collector"),
    (
        ENGINE,
        "    if len(failed) == 1:\n        return first\n",
        "",
        TESTS + "test_the_error_of_the_only_one_asked_is_the_very_same",
    ),
    (
        ENGINE,
        "    whole.__cause__ = first\n",
        "",
        TESTS + "test_several_failures_are_one_error_that_means_what_the_first_means",
    ),
    (
        ENGINE,
        'return f"{type(error).__name__}{status}"',
        'return f"{error}{status}"',
        TESTS + "test_the_words_of_services_are_not_in_the_message_which_is_logged",
    ),
    (
        ENGINE,
        "    if not all(map(refused_locally, errors)):\n        return errors[0].retry_after\n",
        "",
        TESTS + "test_with_all_circuits_open_it_is_worth_coming_back_when_the_first_of_them_closes",
    ),
    (
        ENGINE,
        "branch.takes(request) and ",
        "",
        TESTS + "test_vectors_of_another_model_are_not_given_unless_it_is_named",
    ),
    (
        ENGINE,
        "(branch.leads_here or leads_on)(error)",
        "leads_on(error)",
        TESTS + "test_a_target_may_say_which_errors_lead_to_it",
    ),
    (
        TARGETS,
        "holds(error) or _is_open(error)",
        "holds(error)",
        TESTS + "test_which_errors_lead_on_is_the_users_to_say",
    ),
    (
        TARGETS,
        " or not FAILURES.intersection(value)",
        "",
        TESTS + "test_which_errors_lead_on_is_the_users_to_say",
    ),
    (
        TARGETS,
        "    provider = chain(layers, target.provider)\n",
        "    from ..composition import compose\n    provider = compose(layers, target.provider)\n",
        TESTS + "test_several_failures_are_one_error_that_means_what_the_first_means",
    ),
    (
        TARGETS,
        "    if not same:\n",
        "    if False:\n",
        TESTS + "test_what_cannot_work_is_refused_when_it_is_put_together",
    ),
    (
        TARGETS,
        'item.layer.slot == "defaults" for item',
        "False for item",
        TESTS + "test_a_target_is_not_refused_for_want_of_a_model_that_it_may_have",
    ),
    (
        "middleware/fallback.py",
        "        distinct(self._branches(inner))\n",
        "",
        TESTS + "test_a_client_is_unchanged_when_a_fallback_is_refused",
    ),
    (
        "middleware/fallback.py",
        "return branched(self, inner, self._further)",
        "return super().__call__(inner)",
        TESTS + "test_a_client_closes_every_target",
    ),
]

"""Choosing an arm: shares, calls in flight, keys that keep their arm, and which errors mean the next one."""

ARMS, LAYER = "middleware/_arms.py", "middleware/load_balance.py"
TESTS = "tests/middleware/test_load_balance.py::"

SABOTAGE = [
    (
        ARMS,
        "        owed[picked] -= sum(self._weights[index] for index in among)\n",
        "",
        TESTS + "test_calls_are_spread_evenly_by_weight",
    ),
    (
        ARMS,
        "            return self._turn(tuple(index for index in among if load[index] == least))",
        "            return min(load, key=load.__getitem__)",
        TESTS + "test_idle_arms_take_turns_by_weight",
    ),
    (
        ARMS,
        "self._in_flight[index] / self._weights[index]",
        "self._in_flight[index]",
        TESTS + "test_an_arm_with_twice_the_weight_carries_twice_the_calls",
    ),
    (
        ARMS,
        "            self._in_flight[index] -= 1\n",
        "            pass\n",
        TESTS + "test_a_stream_is_in_flight_until_it_is_closed",
    ),
    (
        ARMS,
        "            if len(self._owed) >= _MOST_ROUNDS:\n                self._owed.clear()\n",
        "",
        TESTS + "test_turns_are_remembered_for_a_bounded_number_of_groups",
    ),
    (
        ARMS,
        "self._owed[among] = dict.fromkeys(among, 0.0)",
        "self._owed = {among: dict.fromkeys(among, 0.0)}",
        TESTS + "test_the_calls_of_a_refused_arm_are_spread_over_the_others",
    ),
    (ARMS, " if weight > 0}", "}", TESTS + "test_taking_an_arm_away_moves_its_own_keys_alone"),
    (
        ARMS,
        "number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())",
        "number = hash(text) & (2**64 - 1)",
        TESTS + "test_the_same_key_gets_the_same_arm_on_another_day",
    ),
    (ARMS, '.encode("utf-8", "surrogatepass")', '.encode("ascii", "ignore")', TESTS + "test_a_key_may_be_any_text"),
    (
        LAYER,
        "return await observed(ask(branch, request), leave)",
        "return await ask(branch, request)",
        TESTS + "test_an_arm_is_free_again_however_its_call_ends",
    ),
    (
        LAYER,
        "            context.tags = {**context.tags, self.tag: branch.label}\n",
        "",
        TESTS + "test_the_arm_that_answered_is_in_the_tags_and_not_the_one_that_refused",
    ),
    (
        LAYER,
        "if error is None or refused_locally(error) else None",
        "",
        TESTS + "test_any_other_error_comes_out_as_it_is",
    ),
    (
        LAYER,
        "if error is None or refused_locally(error) else None",
        "if error is None else None",
        TESTS + "test_a_refusal_of_ours_means_the_next_arm_and_costs_nothing",
    ),
    (
        LAYER,
        "    if failed and not refused_locally(failed[-1].error):\n        return failed[-1].error\n",
        "",
        TESTS + "test_an_error_after_a_refusal_is_the_arms_own_so_that_a_retry_outside_may_choose_again",
    ),
    (
        LAYER,
        " and branches[index].takes(request)",
        "",
        TESTS + "test_vectors_of_another_model_are_not_given_unless_it_is_named",
    ),
    (
        LAYER,
        "            if where not in self._arms:\n",
        "            if True:\n",
        TESTS + "test_a_chain_that_is_built_anew_goes_on_where_the_old_one_was",
    ),
    (
        LAYER,
        "        where = destination(inner)\n",
        "        where = Destination('all')\n",
        TESTS + "test_two_clients_with_other_first_arms_have_counts_of_their_own",
    ),
    (
        LAYER,
        "    if sticky == tag:\n",
        "    if False:\n",
        TESTS + "test_what_cannot_work_is_refused_when_it_is_put_together",
    ),
]

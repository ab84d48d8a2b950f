"""A list of providers by priority: who stands first, what changes touch, and whose circuit is whose."""

FILE = "priority.py"
TESTS = "tests/test_priority.py::"

SABOTAGE = [
    (
        FILE,
        "(*self._each, self.breaker)",
        "self._each",
        TESTS + "test_calls_go_to_the_second_while_the_first_is_down_and_come_back_when_it_recovers",
    ),
    (
        FILE,
        "key=lambda member: (member.name != primary, member.priority)",
        "key=lambda member: member.priority",
        TESTS + "test_the_primary_can_be_chosen",
    ),
    (
        FILE,
        "key=lambda member: (member.name != primary, member.priority)",
        "key=lambda member: (member.name != primary, member.priority, member.name)",
        TESTS + "test_equal_priorities_keep_the_order_in_which_they_were_given",
    ),
    (
        FILE,
        "evolve(other, target=evolve(target, keep_model=True)), other)",
        "other, other)",
        TESTS + "test_the_model_that_a_request_names_goes_to_the_one_that_stands_first",
    ),
    (
        FILE,
        "in_order((first.first, *(member.other for member in others)),",
        "in_order((member.other if place else member.first for place in range(9) for member in self._order[place:][:1]),",
        TESTS + "test_a_call_under_way_finishes_on_the_list_it_began_with",
    ),
    (
        FILE,
        "None if self._primary == name else self._primary",
        "self._primary",
        TESTS + "test_when_the_chosen_primary_is_removed_priorities_hold_again",
    ),
    (
        FILE,
        "            if len(self._members) == 1:\n",
        "            if False:\n",
        TESTS + "test_a_change_that_cannot_be_is_refused_and_changes_nothing",
    ),
    (
        FILE,
        "        _apart([_circuit(member) for member in members])\n",
        "",
        TESTS + "test_one_provider_cannot_stand_there_twice_because_its_circuit_would_be_shared",
    ),
    (
        FILE,
        "            self.breaker.reset(_circuit(member))",
        "            self.breaker.reset()",
        TESTS + "test_a_reset_of_one_closes_its_circuit_alone",
    ),
    (
        FILE,
        "            if name is None:\n                self._change(self._members, None)\n",
        "",
        TESTS + "test_a_reset_closes_all_circuits_and_goes_by_priority_again",
    ),
    (
        FILE,
        "max(circuits, key=lambda circuit: _GRAVITY[circuit.state], default=None)",
        "next(iter(circuits), None)",
        TESTS + "test_of_several_models_status_shows_the_worst_circuit",
    ),
]

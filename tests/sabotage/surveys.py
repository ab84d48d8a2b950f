"""Status: nothing is sent unasked, no layer brings it down, no service is taken for another."""

TESTS = "tests/test_surveys.py::"

SABOTAGE = [
    (
        "statuses.py",
        ' and circuit.get("retry_after") != 0.0',
        "",
        "tests/test_statuses.py::test_a_circuit_that_may_be_tried_again_speaks_no_longer_against_it",
    ),
    (
        "surveys.py",
        "    if ask:\n",
        "    if True:\n",
        TESTS + "test_what_was_known_is_told_and_nothing_is_sent",
    ),
    (
        "surveys.py",
        "                except Exception as error:  # noqa: BLE001  # a status page",
        "                except () as error:  # a status page",
        TESTS + "test_a_layer_that_cannot_say_keeps_no_other_quiet",
    ),
    (
        "surveys.py",
        "            self.health = await alarm.guard(self.leaf.health())\n",
        "            self.health = await self.leaf.health()\n",
        TESTS + "test_a_service_that_hangs_is_not_well_when_its_time_is_over",
    ),
    (
        "composition.py",
        "return self[:3] == service[:3]",
        "return self[:2] == service[:2]",
        TESTS + "test_two_credentials_of_one_service_are_not_taken_for_each_other",
    ),
    (
        "surveys.py",
        " if not any(layer is other for other in service.layers)",
        "",
        TESTS + "test_a_provider_with_two_models_is_one_service",
    ),
    (
        "surveys.py",
        "self.standing(said, 0.0)",
        "str(said)",
        "tests/test_surveys.py::test_what_a_layer_says_under_a_name_of_ours_and_cannot_be_read_keeps_no_other_quiet",
    ),
]

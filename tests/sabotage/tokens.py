"""Token estimates: the destination's model counts, and a counter is looked at."""

TOKENS = "tests/test_tokens.py::"

SABOTAGE = [
    (
        "tokens.py",
        "    if request.model is None and model is not None:",
        "    if False:",
        TOKENS + "test_a_counter_is_asked_of_the_model_that_would_be_asked",
    ),
    (
        "tokens.py",
        "    if type(tokens) is not int or tokens < 0:",
        "    if False:",
        TOKENS + "test_a_counter_that_does_not_count_is_refused",
    ),
    (
        "tokens.py",
        "    rates = family(request.model or model)",
        "    rates = family(model)",
        TOKENS + "test_the_model_that_the_request_names_goes_before_the_one_that_would_be_asked",
    ),
    (
        "middleware/_charge.py",
        "count(request, model=self._line.where.model, counter=counter)",
        "count(request, counter=counter)",
        TOKENS + "test_wherever_tokens_are_counted_a_counter_sees_the_destinations_model",
    ),
]

"""Dry runs: nothing sent, nothing secret shown, and the flag given back."""

LAYER = "tests/middleware/test_dry_run.py::"
REPORT = "tests/test_dryrun.py::"

SABOTAGE = [
    (
        "middleware/dry_run.py",
        "before, context.dry_run = context.dry_run, True",
        "before = context.dry_run",
        LAYER + "test_nothing_is_sent_and_the_answer_says_so",
    ),
    (
        "middleware/dry_run.py",
        "        context.dry_run = before  #",
        "        pass  #",
        LAYER + "test_the_flag_is_put_back_when_a_layer_refuses",
    ),
    (
        "middleware/dry_run.py",
        "context.dry_run = before  #",
        "context.dry_run = False  #",
        LAYER + "test_layers_between_two_of_them_are_dry_to_the_end",
    ),
    (
        "attempt.py",
        "exchange = _Exchange.begin(request, inner, stream=True)",
        "exchange = _Exchange.begin(request, inner)",
        LAYER + "test_the_report_shows_the_exchange_of_that_very_kind_of_call",
    ),
    (
        "dryrun.py",
        "value if name.lower() in SHOWN_HEADERS else _masked(value)",
        "_masked(value) if name.lower() == 'authorization' else value",
        REPORT + "test_the_value_of_a_header_is_shown_if_it_is_known_to_be_harmless",
    ),
    (
        "dryrun.py",
        "call=None if call is None else redacted(call),",
        "call=call,",
        REPORT + "test_the_preview_of_somebody_s_own_provider_is_redacted_too",
    ),
    (
        "dryrun.py",
        'return f"{name}={MASK}" if equals and name.lower() not in SHOWN_PARAMETERS else text',
        "return text",
        REPORT + "test_of_a_url_the_credentials_and_unknown_parameters_are_hidden",
    ),
    (
        "dryrun.py",
        '    if "@" in authority:\n',
        "    if False:\n",
        REPORT + "test_of_a_url_the_credentials_and_unknown_parameters_are_hidden",
    ),
    (
        "providers/_http.py",
        "        call, warnings = wire.encode(opened, model=model, stream=stream)\n        _told(request, warnings)\n",
        "        call, warnings = wire.encode(opened, model=model, stream=stream)\n",
        REPORT + "test_what_the_provider_cannot_honour_is_a_warning_of_the_report",
    ),
    (
        "providers/_http.py",
        "        secret = self._auth(SecretStr(MASK)) if with_key else ()\n",
        "        secret = self._auth(SecretStr(MASK))\n",
        REPORT + "test_the_key_of_a_service_that_needs_none_is_not_shown_as_if_there_were_one",
    ),
]

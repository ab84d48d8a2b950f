"""Logging: what must not be shown, what must not fail, and what must be said once."""

REDACTION = "tests/test_redaction.py::"
SINKS = "tests/test_sinks.py::"
LAYER = "tests/middleware/test_logging.py::"

SABOTAGE = [
    (
        "secrets.py",
        "_living[id(self)] = self",
        "_living[hash(value)] = self",
        REDACTION + "test_of_two_equal_secrets_either_outlives_the_other",
    ),
    (
        "redaction.py",
        "    text = known(text)\n",
        "",
        SINKS + "test_secrets_and_line_breaks_are_in_no_sink_whoever_logs_them",
    ),
    (
        "redaction.py",
        "    if depth > 0 and _worth_undoing(text, needles):",
        "    if False:",
        REDACTION + "test_a_living_secret_is_masked_in_whatever_form_it_comes",
    ),
    (
        "redaction.py",
        "    looked = limit + _MARGIN + 6 * longest",
        "    looked = limit",
        LAYER + "test_a_key_that_the_limit_would_cut_in_two_is_masked_as_a_whole",
    ),
    (
        "redaction.py",
        r"  | (?<![\w\-])eyJ[\w\-]{8,}+\.",
        r"  | eyJ[\w\-]{8,}\.",
        REDACTION + "test_twice_the_text_takes_twice_the_time[eyJaaaaaaaaa-]",
    ),
    (
        "logs.py",
        "    except Exception as error:  # noqa: BLE001  # a sink",
        "    except KeyError as error:  # a sink",
        LAYER + "test_a_handler_that_raises_fails_no_call_and_is_told_of_once",
    ),
    (
        "middleware/logging.py",
        "        if self._layer.content or isinstance(error, _OURS):",
        "        if True:",
        LAYER + "test_what_a_service_says_of_an_error_is_content",
    ),
    (
        "middleware/logging.py",
        "fingerprint(value) if name in _NAMELESS else clean(value)",
        "clean(value)",
        LAYER + "test_who_the_user_is_stands_in_no_record_but_equal_ones_can_be_told",
    ),
    (
        "_sinks.py",
        "    return os.open(path, flags, 0o600)",
        "    return os.open(path, flags)",
        SINKS + "test_a_full_file_is_moved_aside_and_so_many_are_kept",
    ),
    (
        "net/logs.py",
        "    if record.levelno >= logging.INFO and _ours.get()",
        "    if record.levelno >= logging.INFO and False",
        "tests/net/test_logs.py::test_the_url_of_an_exchange_through_a_callers_client_is_not_printed",
    ),
    (
        "middleware/logging.py",
        '        "model": _named(attempt.model),',
        '        "model": attempt.model,',
        LAYER + "test_a_model_that_repeats_a_key_is_masked_and_a_long_one_cut",
    ),
    (
        "context.py",
        "            except Exception as error:  # noqa: BLE001  # who listens",
        "            except ZeroDivisionError as error:  # who listens",
        "tests/test_context.py::test_what_an_observer_raises_is_logged_without_its_words_and_others_are_told",
    ),
    (
        "_sinks.py",
        "delay=not _is_there(path)",
        "delay=False",
        "tests/cli/test_config.py::test_looking_at_a_configuration_leaves_no_log_file",
    ),
]

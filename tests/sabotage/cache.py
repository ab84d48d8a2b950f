"""A cache answers only with what may be answered, for whom it may, and suffers no failing store to fail a call."""

KEY = "tests/middleware/test_cache_key.py::"
CACHE = "tests/middleware/test_cache.py::"

SABOTAGE = [
    # --- whose, and what ---
    (
        "middleware/_cache_key.py",
        "_short(scopes) if tenant is None and any(scopes) else _NOBODY",
        "_NOBODY",
        KEY + "test_two_keys_of_one_service_do_not_share",
    ),
    (
        "middleware/_cache_key.py",
        "prefix_of(tenant, _tenant(request))}",
        "prefix_of(tenant, None)}",
        KEY + "test_tenants_do_not_share",
    ),
    (
        "middleware/_cache_key.py",
        "[*_place(info), *_description(leaf)]",
        "[*_place(info)]",
        KEY + "test_services_of_one_origin_are_told_apart_by_path_and_protocol",
    ),
    (
        "middleware/_cache_key.py",
        "    services = list(reached(inner))\n",
        "    services = list(reached(inner))[:1]\n",
        KEY + "test_every_service_behind_a_branch_counts",
    ),
    (
        "composition.py",
        "info if model is None else evolve(info, model=model)",
        "info",
        KEY + "test_the_model_that_a_target_is_asked_for_counts",
    ),
    (
        "middleware/_cache_key.py",
        "ensure_ascii=False",
        "ensure_ascii=True",
        KEY + "test_halves_of_a_character_are_not_the_character",
    ),
    (
        "middleware/_cache_key.py",
        "[value.tag or type(value).__name__, dict(_fields(value))]",
        "dict(_fields(value))",
        KEY + "test_messages_that_differ_in_anything_that_is_sent_have_different_keys",
    ),
    (
        "middleware/_cache_key.py",
        "    except (TypeError, ValueError, RecursionError):  # the service",
        "    except (TypeError, RecursionError):  # the service",
        KEY + "test_what_contains_itself_has_no_key",
    ),
    (
        "middleware/_cache_key.py",
        "_short([name, value])",
        'f"{name}={value}"',
        CACHE + "test_nothing_of_the_request_and_no_name_is_in_the_store",
    ),
    # --- what is kept ---
    (
        "middleware/_cache_record.py",
        "answer.cached or answer.shared or answer.dry_run",
        "answer.cached or answer.dry_run",
        CACHE + "test_an_answer_that_is_not_for_others_is_not_kept[shared-chat]",
    ),
    (
        "middleware/_cache_record.py",
        "*(choice.finish_reason for choice in answer.alternatives)",
        "",
        CACHE + "test_an_answer_that_is_not_for_others_is_not_kept[second cut off-chat]",
    ),
    (
        "middleware/_cache_record.py",
        "not message.parts or message.refusal is not None",
        "not message.parts",
        CACHE + "test_an_answer_that_is_not_for_others_is_not_kept[refused-chat]",
    ),
    (
        "middleware/_cache_record.py",
        "return not any(call.defect for call in message.tool_calls)",
        "return True",
        CACHE + "test_an_answer_that_is_not_for_others_is_not_kept[broken call-chat]",
    ),
    (
        "middleware/_cache_record.py",
        "min(kept_for, ttl)",
        "kept_for",
        CACHE + "test_the_shorter_time_of_writer_and_reader_counts",
    ),
    (
        "middleware/_cache_record.py",
        "if not -AHEAD <= now - at < min",
        "if not now - at < min",
        CACHE + "test_a_clock_that_is_set_back_makes_no_answer_live_for_ever",
    ),
    (
        "middleware/_cache_record.py",
        "cost=cost, attempts=(), request_id=None, metadata=metadata",
        "attempts=(), metadata=metadata",
        CACHE + "test_a_hit_does_not_pass_for_the_exchange_of_then",
    ),
    (
        "middleware/_cache_record.py",
        'or record.get("cache") != VERSION',
        "",
        CACHE + "test_a_record_that_cannot_be_read_is_a_miss_and_goes[newer-chat]",
    ),
    (
        "middleware/_cache_call.py",
        'if end.outcome != "completed" or answer is None',
        "if answer is None",
        CACHE + "test_a_stream_that_breaks_off_between_its_finish_reason_and_its_end_is_not_kept",
    ),
    (
        "middleware/_cache_call.py",
        "if not 0 < len(data) <= LARGEST:",
        "if not 0 < len(data):",
        CACHE + "test_an_answer_that_is_not_for_others_is_not_kept[too large-chat]",
    ),
    (
        "middleware/_cache_call.py",
        "self._context.strict and _departs(answer)",
        "False",
        CACHE + "test_a_strict_caller_gets_no_answer_to_a_request_that_was_not_honoured[left out]",
    ),
    (
        "middleware/_cache_call.py",
        "elif books.generation == self._generation:",
        "else:",
        CACHE + "test_a_call_under_way_keeps_nothing_that_was_to_be_forgotten",
    ),
    (
        "middleware/_cache_call.py",
        "            await self._store.drop(self._key, self._context, self._clock)\n",
        "",
        CACHE + "test_an_unreadable_record_is_removed_before_the_service_is_asked",
    ),
    (
        "middleware/_cache_call.py",
        'or self._context.cache == "refresh"',
        "",
        CACHE + "test_refresh_asks_again_and_overwrites",
    ),
    (
        "middleware/cache.py",
        'if context.cache == "bypass":',
        "if False:",
        CACHE + "test_bypass_neither_reads_nor_writes",
    ),
    (
        "middleware/cache.py",
        "passes = not self._sampled and _is_sampled(request)",
        "passes = False",
        CACHE + "test_a_sampled_request_passes_by_and_the_first_one_says_so",
    ),
    (
        "middleware/cache.py",
        "if passes and self._books.told:",
        "if passes:",
        CACHE + "test_a_sampled_request_passes_by_and_the_first_one_says_so",
    ),
    # --- a store that fails ---
    (
        "middleware/_cache_store.py",
        "if now < self._until:\n                return False\n",
        "pass\n",
        CACHE + "test_after_three_failures_the_store_is_left_alone_for_five_seconds",
    ),
    (
        "middleware/_cache_store.py",
        "            self._until = now + OFF  # this call",
        "            # this call",
        CACHE + "test_only_one_call_tries_a_store_that_was_left_alone",
    ),
    (
        "middleware/_cache_store.py",
        "                self._failures = 0\n",
        "                pass\n",
        CACHE + "test_failures_that_are_not_in_a_row_do_not_count_together",
    ),
    (
        "middleware/_cache_store.py",
        "first, self._warned = not self._warned, True",
        "first = True",
        CACHE + "test_a_store_that_fails_is_told_of_once",
    ),
    (
        "middleware/_cache_store.py",
        "alarm.set(clock.monotonic() + longest",
        "alarm.set(clock.monotonic() + 1e9",
        CACHE + "test_a_store_that_takes_too_long_is_a_miss",
    ),
    (
        "middleware/_cache_store.py",
        "left = context.remaining()",
        "left = self._patience",
        CACHE + "test_a_call_waits_for_the_store_no_longer_than_it_has_time_and_that_is_not_the_stores_failure",
    ),
    (
        "middleware/_cache_store.py",
        "        finally:\n            alarm.stop()\n",
        "        finally:\n            pass\n",
        CACHE + "test_a_cancellation_at_any_step_leaves_a_whole_entry_or_none",
    ),
    (
        "middleware/_cache_store.py",
        "str(error) if isinstance(error, AIClientError) else type(error).__name__",
        "str(error)",
        CACHE + "test_the_words_of_a_foreign_error_are_not_repeated",
    ),
    # --- replay ---
    (
        "opening.py",
        "pieces if _says(pieces, part, response) else",
        "pieces if True else",
        "tests/test_opening.py::test_what_pieces_cannot_say_is_replayed_as_a_whole",
    ),
    (
        "opening.py",
        "and made.finish_reason == response.finish_reason",
        "",
        "tests/test_opening.py::test_a_reason_that_pieces_of_a_call_would_change_is_kept",
    ),
]

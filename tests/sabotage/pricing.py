"""What costs is paid once, at the price of what it was; what is not known is no 0, and what may be paid is counted."""

PRICING = "tests/test_pricing.py::"
MODELS = "tests/test_models.py::"
RATES = "tests/prices/test_rates.py::"
CHARGES = "tests/prices/test_charges.py::"

SABOTAGE = [
    (
        "prices/rates.py",
        "    write = min(usage.cache_write_tokens or 0, total - read)\n",
        "    write = min(usage.cache_write_tokens or 0, total)\n",
        RATES + "test_no_report_however_odd_is_paid_below_zero_or_above_all_tokens_at_the_dearest_rate",
    ),
    (
        "prices/rates.py",
        "                if rate is None:\n                    return None\n",
        "",
        RATES + "test_without_a_count_or_a_rate_the_cost_is_unknown[no output rate]",
    ),
    (
        "models.py",
        "            if special is None:\n                return None\n",
        "            if special is None:\n                special = 1\n",
        MODELS + "test_a_tier_whose_price_is_not_known_has_none[priority]",
    ),
    (
        "prices/books.py",
        "or (usage.audio_prompt_tokens and model.hears_by_the_hour)",
        "",
        PRICING + "test_sound_that_is_charged_by_the_hour_has_no_price_by_tokens",
    ),
    (
        "prices/reported.py",
        "    if table_of(where) not in REPORTERS:\n        return None\n",
        "",
        PRICING + "test_what_cannot_be_a_sum_of_dollars_is_not_believed[somebody-raw0]",
    ),
    (
        "prices/charges.py",
        "        return error.phase not in UNSENT\n",
        "        return True\n",
        CHARGES + "test_what_was_refused_or_never_sent_costs_nothing[TimeoutError-connect]",
    ),
    (
        "prices/charges.py",
        "completion_tokens=max(reported.completion_tokens or 0, received)",
        "completion_tokens=received",
        CHARGES + "test_a_broken_stream_is_never_paid_below_what_it_had_reported",
    ),
    (
        "prices/charges.py",
        "    if answer is None or not whole:\n        return None\n",
        "    if answer is None:\n        return None\n",
        CHARGES + "test_what_a_broken_stream_had_reported_counts",
    ),
    (
        "pricing.py",
        "        yield _written(request, usage)\n",
        "        pass\n",
        PRICING + "test_writing_to_the_cache_is_in_it_where_that_may_happen_and_is_dearer",
    ),
    (
        "prices/names.py",
        'or (info.model or "").endswith(("-cloud", ":cloud"))',
        "",
        MODELS + "test_only_a_model_server_at_a_loopback_address_is_one_s_own[info3-False]",
    ),
]

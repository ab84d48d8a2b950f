"""Telemetry: told once, ended always, without content, and never in the way of a call."""

TRACING = "middleware/tracing.py"
METRICS = "middleware/metrics.py"
SPANS = "tests/middleware/test_tracing.py::"
TOLD = "tests/middleware/test_metrics.py::"

SABOTAGE = [
    (
        TRACING,
        "        if watch is not None and watch.operation is not None:\n",
        "        if False:\n",
        SPANS + "test_two_layers_make_the_spans_of_one",
    ),
    (
        TRACING,
        "            ambient.attach(before)\n",
        "            pass\n",
        SPANS + "test_while_a_retry_waits_the_span_of_the_failed_attempt_is_no_longer_the_current_one",
    ),
    (
        TRACING,
        "            ambient.detach(token)\n",
        "            pass\n",
        SPANS + "test_the_callers_span_is_the_parent_and_the_attempts_span_the_current_one_in_the_exchange",
    ),
    (
        TRACING,
        "if self._layer.content else type(error).__name__",
        "if True else type(error).__name__",
        SPANS + "test_an_error_is_on_both_spans_by_its_category_and_never_in_the_services_words",
    ),
    (
        "middleware/_trace_attributes.py",
        "event.detail if event.kind in _SAFE_DETAILS else None",
        "event.detail",
        SPANS + "test_an_event_of_another_layer_is_on_the_span_without_words_that_may_quote_content",
    ),
    (
        "middleware/_trace_content.py",
        "redact(text[: limit + _BEYOND])",
        "text[: limit + _BEYOND]",
        SPANS + "test_content_that_is_asked_for_is_on_the_attempt_in_the_shape_of_the_conventions",
    ),
    (
        METRICS,
        "        if watch.call is not None:\n",
        "        if False:\n",
        TOLD + "test_a_collector_in_two_layers_is_told_of_a_call_once",
    ),
    (
        METRICS,
        "            if isinstance(known, _Watch) and known.layer.collector is self.collector:\n                return known\n",
        "",
        TOLD + "test_inside_a_retry_each_pass_is_a_call_and_each_attempt_counts_once",
    ),
    (
        METRICS,
        "                if len(self._models) >= self._most and model != OTHER:\n",
        "                if False:\n",
        TOLD + "test_models_beyond_the_number_that_is_told_apart_share_a_label",
    ),
    (
        "middleware/_metric_window.py",
        "        while samples and samples[0].at <= now - self._span:\n            samples.popleft()\n",
        "",
        "tests/middleware/test_metric_window.py::test_the_window_holds_what_a_list_of_everything_would",
    ),
]

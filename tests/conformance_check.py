"""Does an answer of aiclient say what the vendor's own SDK makes of the same bytes? Used by conformance.py.

Independent of the library's tables on purpose: what it expects is written down here a second time.
"""

from conformance_rules import arguments

from aiclient import errors

ERRORS = {
    # The SDK's class -> ours. A finer class of ours is right too: isinstance decides.
    "BadRequestError": "BadRequestError",
    "AuthenticationError": "AuthenticationError",
    "PermissionDeniedError": "PermissionDeniedError",
    "NotFoundError": "ModelNotFoundError",
    "ConflictError": "OverloadedError",
    "UnprocessableEntityError": "BadRequestError",
    "RateLimitError": "RateLimitError",
    "InternalServerError": "ServerError",
    "OverloadedError": "OverloadedError",
}

BY_STATUS = {
    # For SDKs with one class for all.
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "ModelNotFoundError",
    409: "OverloadedError",
    422: "BadRequestError",
    429: "RateLimitError",
    500: "ServerError",
}

BY_CODE = {"ModelNotFoundError", "QuotaExceededError", "ContextLengthError", "ContentFilterError", "OverloadedError"}
"""What our classes may be by the error's code, whatever its status says."""


def chat(record, response, error, rules):
    """Yield what differs, as (what, expected, got)."""
    expected = rules.told(record)
    if "error" in expected:
        yield from _error(record, error, rules)
        response = error.partial if error is not None else response
        if response is None or not expected["error"].get("in_stream"):
            return
        if "text" in expected:
            yield from _differs("partial text", expected["text"], response.message.content)
        return
    if error is not None:
        yield "answer", "an answer", repr(error)
        return
    yield from _message(record, expected, response.message, rules)
    yield from _differs("finish reason", rules.reason(expected), response.finish_reason)
    yield from _usage(expected.get("usage") or {}, response.usage, rules)
    for what, wanted, got in rules.more(record, response):
        yield from _differs(what, wanted, got)
    if expected.get("model"):
        yield from _differs("model", expected["model"], response.model)
    yield from _differs("response id", expected.get("response_id") or None, response.id)
    choices = expected.get("choices") or [None]
    got = [response, *response.alternatives]
    yield from _differs("number of choices", len(choices), len(got))
    for number, (wanted, choice) in enumerate(zip(choices, got, strict=False)):
        if wanted is not None:
            yield from _differs(f"text of choice {number}", wanted.get("text") or "", choice.message.content)
            if "tool_calls" in wanted:
                yield from _tools(wanted["tool_calls"], choice.message.tool_calls)
            yield from _differs(f"finish reason of choice {number}", rules.reason(wanted), choice.finish_reason)


def _differs(what, expected, got):
    if expected != got:
        yield what, expected, got


def _message(record, expected, message, rules):
    yield from _differs("text", expected.get("text") or "", message.content)
    reasoning = rules.reasoning(expected)
    if reasoning or "reasoning_details" not in record["response"]["body"]:  # the SDK does not look into the details
        yield from _differs("reasoning", reasoning, rules.thinking(message))
    yield from _differs("refusal", expected.get("refusal") or None, message.refusal)
    legacy = expected.get("function_call")
    calls = expected.get("tool_calls") or []
    if legacy and legacy.get("name") and not calls:
        calls = [legacy]
    yield from _tools(calls, message.tool_calls)


def _tools(expected, calls):
    yield from _differs("number of tool calls", len(expected), len(calls))
    for number, (wanted, call) in enumerate(zip(expected, calls, strict=False)):
        if wanted.get("id"):
            yield from _differs(f"id of tool call {number}", wanted["id"], call.id)
        yield from _differs(f"name of tool call {number}", wanted.get("name") or "", call.name)
        if call.kind == "function" or wanted.keys() & {"arguments", "arguments_raw"}:  # not told of a custom call
            yield from _differs(f"arguments of tool call {number}", *arguments(wanted, call))


def _usage(expected, usage, rules):
    for name, value in rules.usage(expected).items():
        if name == "cost":
            cost = (usage.raw_usage or {}).get("cost")
            got = cost.get("total_cost") if isinstance(cost, dict) and not isinstance(value, dict) else cost
        else:
            got = getattr(usage, name)
        yield from _differs(f"usage.{name}", value, got)


def _error(record, error, rules):
    expected, response = record["expected"]["error"], record["response"]
    if error is None:
        yield "error", expected.get("class"), None
        return
    said = response["body"] + " ".join(response["headers"].values())
    told = [name for word, name in rules.reasons.items() if word in said]
    name = told[0] if told else ERRORS.get(expected.get("class")) or BY_STATUS.get(expected.get("status"))
    if name is not None and not isinstance(error, getattr(errors, name)) and type(error).__name__ not in BY_CODE:
        yield "error class", expected["class"], type(error).__name__
    if expected.get("status") is not None and (not expected.get("in_stream") or error.status_code is not None):
        if not expected.get("in_stream"):
            yield from _differs("error status", expected["status"], error.status_code)
    if rules.code:
        yield from _differs("error code", expected.get("type"), error.code)
    text = (expected.get("message") or "")[:500].strip().replace("\n", "\\n")  # as errors show what a service says
    if not text.startswith("Error code:") and not error.message.startswith(text):  # the SDK's own words
        if not error.message.endswith(text):  # after output the typed error stands behind ours
            yield "error message", text, error.message
    if expected.get("request_id"):
        yield from _differs("error request id", expected["request_id"], error.request_id)


def embeddings(record, response, error, rules):
    """Yield what differs, as (what, expected, got)."""
    expected = record["expected"]
    if "error" in expected:
        yield from _error(record, error, rules)
        return
    if error is not None:
        yield "answer", "vectors", repr(error)
        return
    wanted = expected["embeddings"]
    yield from _differs("count", wanted["count"], len(response.vectors))
    yield from _differs("dimensions", wanted["dims"], len(response.vectors[0]))
    first = [round(number, 6) for number in response.vectors[0][:3]]
    if any(abs(a - b) > 2e-6 for a, b in zip(wanted["first3"], response.vectors[0][:3], strict=True)):
        yield "first numbers", wanted["first3"], first
    if expected.get("model"):
        yield from _differs("model", expected["model"], response.model)
    yield from _usage(expected.get("usage") or {}, response.usage, rules)


def models(record, result, error, rules):
    """Yield what differs, as (what, expected, got)."""
    expected = record["expected"]
    if "error" in expected:
        yield from _error(record, error, rules)
    elif error is not None:
        yield "answer", "models", repr(error)
    elif "model_ids" in expected:
        yield from _differs("number of models", expected["models"], len(result))
        first = [model.id for model in result][: len(expected["model_ids"])]
        yield from _differs("first model ids", expected["model_ids"], first)
    else:
        yield from _differs("model id", expected.get("model"), result.id)


def count(record, result, error, rules):
    """Yield what differs, as (what, expected, got)."""
    expected = record["expected"]
    if "error" in expected:
        yield from _error(record, error, rules)
    elif error is not None:
        yield "answer", "a number of tokens", repr(error)
    else:
        yield from _differs("tokens", expected["usage"]["input"], result)

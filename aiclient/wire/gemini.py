"""Google's generateContent, the protocol of the Gemini API and of Vertex AI: requests encoded, answers decoded.

"generateContent" and "streamGenerateContent", ai.google.dev/api/generate-content (v1beta); the same of Vertex AI (v1),
cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/projects.locations.publishers.models/generateContent (both read
2026-11); checked against google-ai-generativelanguage 0.12.1, the discovery document aiplatform.v1, and google-genai 3.4.0.
The key travels in a header, which the provider adds, never in the URL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from ..errors import InvalidRequestError, UnsupportedFeatureError
from ..request import ChatOptions, ChatRequest, HTTPCall, ResponseFormat, Tool, ToolChoice
from ..response import ChatResponse
from ..schema.lowering import lowered
from .codec import Encoded
from .gemini_answer import decode_answer
from .gemini_contents import ContentsEncoder, is_older
from .gemini_stream import GeminiDecoder
from .gemini_thinking import encode_thinking
from .jsons import dumps
from .notes import Notes
from .schemas import format_schema, tool_schema

__all__ = ["JSON_HEADERS", "GeminiWire", "extra_of", "model_path"]

Json = dict[str, Any]

JSON_HEADERS: Final = (("Content-Type", "application/json"),)

_MODES: Final = {"auto": "AUTO", "none": "NONE", "required": "ANY", "named": "ANY"}

_MERGED: Final = ("generationConfig", "toolConfig")
_LARGEST_SEED: Final = 2**31


class GeminiWire:
    """The codec.

    Args:
        vertex: Whether this is Vertex AI, whose base URL ends in `/publishers/google`.
        origin: Name under which its opaque data is kept, and sent back to it only. Signatures of one of the two services
            are not promised to be valid at the other, so the two differ unless they are told to agree.
    """

    def __init__(self, *, vertex: bool = False, origin: str | None = None) -> None:
        self.vertex = vertex
        self.origin = origin or ("vertex" if vertex else "google")

    def encode(self, request: ChatRequest, /, *, model: str, stream: bool) -> Encoded:
        """Return the exchange that asks `request` of `model`, and what it could not carry."""
        body, notes = self._body(request, model)
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return HTTPCall("POST", f"{model_path(model)}:{method}", JSON_HEADERS, dumps(body)), notes.taken()

    def encode_count(self, request: ChatRequest, /, *, model: str) -> Encoded:
        """Return the exchange that counts the tokens of `request` ("countTokens", ai.google.dev/api/tokens)."""
        body, notes = self._body(request, model)
        if self.vertex:
            taken = ("contents", "systemInstruction", "tools", "generationConfig")
            body = {name: body[name] for name in taken if name in body}
        else:
            body = {"generateContentRequest": {"model": model_path(model)[1:], **body}}
        return HTTPCall("POST", f"{model_path(model)}:countTokens", JSON_HEADERS, dumps(body)), notes.taken()

    def decode(self, status: int, headers: Mapping[str, str], body: bytes) -> ChatResponse:
        """Return the answer that a body holds."""
        return decode_answer(body, self.origin, vertex=self.vertex)

    def decoder(self, request: ChatRequest | None = None, /) -> GeminiDecoder:
        """Return a decoder for the streamed answer to `request`, which may have asked for several candidates."""
        count = None
        if request is not None:
            config = extra_of(request.options.extra, self.origin, vertex=self.vertex).get("generationConfig")
            count = config.get("candidateCount") if isinstance(config, Mapping) else None
            count = count if isinstance(count, int) else request.options.n
        return GeminiDecoder(self.origin, count or 1, vertex=self.vertex)

    def _body(self, request: ChatRequest, model: str) -> tuple[Json, Notes]:
        options = request.options
        strict = options.strict or (request.context is not None and request.context.strict)
        notes = Notes(self.origin, strict=strict)
        encoder = ContentsEncoder(model=model, origin=self.origin, vertex=self.vertex, notes=notes)
        system, contents = encoder.encode(request.messages)
        body: Json = {"contents": contents}
        if system:
            body["systemInstruction"] = {"parts": system}
        if options.tools:
            body["tools"] = [{"functionDeclarations": [_declared(tool, notes) for tool in options.tools]}]
            if (config := _calling(options.tool_choice, options.tools)) is not None:
                body["toolConfig"] = {"functionCallingConfig": config}
        if config := self._generation(options, model, notes):
            body["generationConfig"] = config
        self._beside(options, body, notes)
        _merge(body, extra_of(options.extra, self.origin, vertex=self.vertex))
        return body, notes

    def _generation(self, options: ChatOptions, model: str, notes: Notes) -> Json:
        config: Json = {
            "temperature": options.temperature,
            "topP": options.top_p,
            "topK": options.top_k,
            "maxOutputTokens": options.max_tokens,
            "stopSequences": list(options.stop) or None,
            "seed": options.seed,
            "frequencyPenalty": options.frequency_penalty,
            "presencePenalty": options.presence_penalty,
            "candidateCount": options.n,
        }
        if options.seed is not None and not -_LARGEST_SEED <= options.seed < _LARGEST_SEED:
            notes.unsupported("seed beyond 32 bits")
            config["seed"] = None
        if options.logprobs is not None:
            config["responseLogprobs"] = True
            config["logprobs"] = options.logprobs or None
        if options.response_format is not None and options.response_format.kind != "text":
            config["responseMimeType"] = "application/json"
            # `responseJsonSchema` takes JSON Schema; the older `responseSchema` only a dialect ("Structured output").
            config["responseJsonSchema"] = _format(options.response_format, notes)
        if options.reasoning is not None:
            config["thinkingConfig"] = encode_thinking(options.reasoning, model, notes, older=is_older(model)) or None
        return {name: value for name, value in config.items() if value is not None}

    def _beside(self, options: ChatOptions, body: Json, notes: Notes) -> None:
        """Carry, or note, what stands beside the generation config."""
        if options.service_tier is not None and options.service_tier != "auto":
            # "Flex inference", ai.google.dev/gemini-api/docs/flex-inference: flex, standard, priority
            body["serviceTier"] = "standard" if options.service_tier == "default" else options.service_tier
        if options.metadata and self.vertex:
            body["labels"] = dict(options.metadata)
        elif options.metadata:
            notes.unsupported("metadata")
        if options.user_id is not None:
            notes.unsupported("user_id")
        if options.parallel_tool_calls is False:
            notes.unsupported("parallel_tool_calls=False", "the model may ask for several tools at once")
        if options.prompt_cache is not None:
            notes.unsupported(
                "prompt_cache", "it caches by itself; a cache of your own is named with extra's cachedContent"
            )


def model_path(model: str) -> str:
    """Return the path of a model below the base URL, percent-encoded.

    `gemini-3.6-flash`, `models/gemini-3.6-flash` and Vertex's `publishers/google/models/gemini-3.6-flash` are the same;
    `tunedModels/name` stays what it is.
    """
    name = model.removeprefix("publishers/google/").removeprefix("models/")
    folder, slash, rest = name.partition("/")
    if slash and folder == "tunedModels":
        return f"/tunedModels/{quote(rest, safe='')}"
    return f"/models/{quote(name, safe='')}"


def extra_of(extra: Mapping[str, Mapping[str, Any]], origin: str, *, vertex: bool) -> Json:
    """Return the fields that the caller wants sent as they are: the protocol's namespace, then the service's own.

    Raises:
        UnsupportedFeatureError: They would have the arguments of calls streamed in pieces, which is not read here.
    """
    found: Json = {}
    for namespace in dict.fromkeys(("gemini", *(("vertex",) if vertex else ()), origin)):
        _merge(found, extra.get(namespace, {}))
    calling = found.get("toolConfig")
    calling = calling.get("functionCallingConfig") if isinstance(calling, Mapping) else None
    if isinstance(calling, Mapping) and calling.get("streamFunctionCallArguments"):
        raise UnsupportedFeatureError("streamFunctionCallArguments is not supported: calls come whole", provider=origin)
    return found


def _merge(body: Json, extra: Mapping[str, Any]) -> None:
    """Put the caller's own fields into a body: settings into the settings, tools beside the tools."""
    for name, value in extra.items():
        have = body.get(name)
        if name in _MERGED and isinstance(have, Mapping) and isinstance(value, Mapping):
            body[name] = _merged(have, value)
        elif name == "tools" and isinstance(have, list):
            if not isinstance(value, list):
                raise InvalidRequestError("tools in extra must be a list, such as [{'googleSearch': {}}]")
            body[name] = [*have, *value]
        else:
            body[name] = value


def _merged(have: Mapping[str, Any], more: Mapping[str, Any]) -> Json:
    result = dict(have)
    for name, value in more.items():
        old = result.get(name)
        both = isinstance(old, Mapping) and isinstance(value, Mapping) and "Schema" not in name
        result[name] = _merged(old, value) if both else value  # type: ignore[arg-type]  # `both` says it
    return result


def _declared(tool: Tool, notes: Notes) -> Json:
    # `parametersJsonSchema` takes JSON Schema with $ref and additionalProperties, `parameters` only Google's dialect of
    # OpenAPI; one excludes the other ("FunctionDeclaration", ai.google.dev/api/caching).
    fitting = tool_schema(tool, "gemini", notes) if tool.strict else None
    schema = lowered(tool.parameters, "gemini").schema if fitting is None else fitting
    declared: Json = {"name": tool.name, "parametersJsonSchema": schema}
    if tool.description:
        declared["description"] = tool.description
    return declared


def _format(wanted: ResponseFormat, notes: Notes) -> Json | None:
    """Return the schema of the answer; one that may not be followed is sent all the same: it is refused nowhere."""
    if wanted.schema is None:
        return None
    fitting = format_schema(wanted, "gemini", notes)
    return lowered(wanted.schema, "gemini").schema if fitting is None else fitting


def _calling(choice: ToolChoice | None, tools: tuple[Tool, ...]) -> Json | None:
    """Return the mode of function calling.

    VALIDATED is AUTO with arguments that follow the schemas ("Function calling modes",
    ai.google.dev/gemini-api/docs/function-calling, read 2026-11).
    """
    mode = "auto" if choice is None else choice.mode
    if mode == "auto" and any(tool.strict for tool in tools):
        return {"mode": "VALIDATED"}
    if choice is None:
        return None
    return {"mode": _MODES[mode], **({"allowedFunctionNames": [choice.name]} if choice.name else {})}

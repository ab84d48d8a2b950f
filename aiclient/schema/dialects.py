"""What each service takes of JSON Schema, with the page that says so."""

from __future__ import annotations

from typing import Final, Literal

from attrs import frozen

__all__ = ["DIALECTS", "Dialect"]

_STRUCTURE: Final = frozenset(
    {
        "$ref",
        "$defs",
        "type",
        "enum",
        "const",
        "title",
        "description",
        "default",
        "properties",
        "required",
        "items",
        "anyOf",
    }
)
"""Keywords that all of them take."""

_NUMBERS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_CLAUDE_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)


@frozen(kw_only=True)
class Dialect:
    """What one service takes.

    Args:
        name: What it is called in `lowered`.
        keywords: The keywords that are taken; None takes all of them.
        formats: The values of `format` that are taken; None takes all.
        tuples: Whether `prefixItems` is; else a tuple becomes a list of its members' types.
        all_of: Whether `allOf` is; else a single member is put in its place.
        closed: Whether every object must exclude further keys.
        complete: Whether every key must be required; keys that may be missing become nullable.
        typed: Whether every part must say its type.
        rooted: Whether the whole must be an object, and no union.
        lone_ref: Whether nothing may stand beside a `$ref`.
        one_or_none: Whether `minItems` can be 0 and 1 alone.
        some_required: Whether an object with keys must require one.
        scalars: Whether an `enum` can hold texts and numbers alone, and takes the place of `const`.
        integers: Whether bounds are kept for whole numbers alone.
        patterns: Which patterns are taken: all, those that begin with `^` and end with `$`, or those without anchors.
        recursion: Whether a definition can hold itself: always, under a key that may be missing, or never.
        depth: Levels of objects in each other, at most; None has no limit.
        keys: Keys of all objects together, at most.
        choices: Values of all enums together, at most.
        characters: Characters of all names and of the values of enums, at most.
    """

    name: str
    keywords: frozenset[str] | None = None
    formats: frozenset[str] | None = None
    tuples: bool = True
    all_of: bool = True
    closed: bool = False
    complete: bool = False
    typed: bool = False
    rooted: bool = False
    lone_ref: bool = False
    one_or_none: bool = False
    some_required: bool = False
    scalars: bool = False
    integers: bool = False
    patterns: Literal["all", "anchored", "unanchored"] = "all"
    recursion: Literal["always", "optional", "never"] = "always"
    depth: int | None = None
    keys: int | None = None
    choices: int | None = None
    characters: int | None = None


_OPENAI: Final = Dialect(
    # "Structured model outputs", Supported schemas, platform.openai.com/docs/guides/structured-outputs, read 2026-11 (in github
    # google/A2UI md/chatgpt_structured_output.md too, and measured at jsonschemaprofiles.unitvectorylabs.com/schemas/openai)
    name="openai",
    keywords=_STRUCTURE
    | _NUMBERS
    | {"additionalProperties", "pattern", "format", "minItems", "maxItems"}
    | {"minLength", "maxLength"},  # not on the page, and taken: record 57068cae252a
    formats=frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}),
    tuples=False,
    all_of=False,
    closed=True,
    complete=True,
    typed=True,
    rooted=True,
    lone_ref=True,  # "$ref cannot have keywords {'description'}", a 400: github camel-ai/camel issue 3001
    depth=10,
    keys=5000,
    choices=1000,
    characters=120_000,
)

_ANTHROPIC: Final = Dialect(
    # "JSON Schema limitations", platform.claude.com/docs/en/build-with-claude/structured-outputs, read 2026-11: no bounds on
    # numbers, strings and objects, `minItems` 0 or 1, `additionalProperties` false, no recursion; anything else is a 400
    name="anthropic",
    keywords=_STRUCTURE | {"additionalProperties", "allOf", "format", "minItems"},
    formats=_CLAUDE_FORMATS,
    tuples=False,
    closed=True,
    lone_ref=True,  # the SDK (anthropic 2.11.0) takes away whatever stands beside a $ref
    one_or_none=True,
    recursion="never",
)

_BEDROCK: Final = Dialect(
    # "Get validated JSON results from models", docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html, read
    # 2026-11: a part of draft 2020-12, a 400 for the rest. Only Claude's models are asked for it here: Claude's part.
    name="bedrock",
    keywords=_ANTHROPIC.keywords,
    formats=_CLAUDE_FORMATS,
    tuples=False,
    closed=True,
    lone_ref=True,  # the SDK (anthropic 2.11.0) takes away whatever stands beside a $ref
    one_or_none=True,
    recursion="never",
)

_GEMINI: Final = Dialect(
    # `responseJsonSchema`, ai.google.dev/api/generate-content and Vertex AI's GenerationConfig, both read 2026-11:
    # the list of keywords, "enum (for strings and numbers)", "If $ref is set on a sub-schema, no other properties ... may be
    # set", "Cyclic references ... may only be used within non-required properties". The rest is ignored in silence.
    name="gemini",
    keywords=_STRUCTURE - {"const", "default"}
    | {"$id", "$anchor", "format", "prefixItems", "minItems", "maxItems", "minimum", "maximum", "additionalProperties"}
    | {"propertyOrdering"},
    all_of=False,
    lone_ref=True,
    scalars=True,
    recursion="optional",
)

_COHERE: Final = Dialect(
    # "How do structured outputs work?", Parameter types support, docs.cohere.com/v2/docs/structured-outputs, as of github
    # cohere-ai/cohere-developer-experience c7266e6e31c1, read 2026-11
    name="cohere",
    keywords=_STRUCTURE | {"additionalProperties", "pattern", "format"},
    formats=frozenset({"date-time", "uuid", "date", "time"}),
    tuples=False,
    all_of=False,
    rooted=True,
    some_required=True,
    patterns="unanchored",
)

_MISTRAL: Final = Dialect(
    # docs.mistral.ai/capabilities/structured-output, read 2026-11, names no keyword that is not taken; its own SDK (mistralai
    # 3.7.0) closes every object before it asks for `strict`
    name="mistral",
    closed=True,
)

_LLAMACPP: Final = Dialect(
    # "JSON Schemas -> GBNF", known limitations, github ggml-org/llama.cpp 363a490b54cd, grammars/README.md, read 2026-11:
    # "Unsupported features are skipped silently"; a pattern without its anchors is refused
    name="llamacpp",
    keywords=_STRUCTURE
    | (_NUMBERS - {"multipleOf"})
    | {"additionalProperties", "allOf", "oneOf", "pattern", "format", "minItems", "maxItems"}
    | {"minLength", "maxLength"},
    formats=frozenset({"date", "time", "date-time", "uuid"}),
    tuples=False,
    integers=True,
    patterns="anchored",
)

DIALECTS: Final = {
    dialect.name: dialect
    for dialect in (_OPENAI, _ANTHROPIC, _BEDROCK, _GEMINI, _COHERE, _MISTRAL, _LLAMACPP, Dialect(name="generic"))
}
"""The dialects by name; `generic` takes a schema as it is."""

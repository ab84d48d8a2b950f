"""The table of names, held to the package of names that instrumentations share."""

from __future__ import annotations

import importlib
from importlib.metadata import version

import pytest

from aiclient.middleware._conventions import SECONDS, TOKENS, Name, provider_name, server

DATED = "0.66b2"
"""The version of opentelemetry-semantic-conventions that the table is of; others know other names."""

of_that_version = pytest.mark.skipif(
    version("opentelemetry-semantic-conventions") != DATED, reason=f"the table of names is that of {DATED}"
)


def released(module):
    """The names that the conventions' package gives."""
    found = importlib.import_module(f"opentelemetry.semconv._incubating.{module}")
    return {value for key, value in vars(found).items() if key.isupper()}


METRICS = sorted(value for value in vars(Name).values() if str(value).startswith("gen_ai.client."))

AHEAD = {"gen_ai.usage.cache_write.input_tokens", "gen_ai.request.reasoning.level", "gen_ai.embeddings.dimension.count"}
"""Released by opentelemetry-util-genai 1.3b0, beside its own table of names."""

NAMES = {value for name, value in vars(Name).items() if name.isupper()}


@of_that_version
@pytest.mark.parametrize("name", METRICS)
def test_a_metric_of_the_conventions_is_released(name):
    assert name in released("metrics.gen_ai_metrics")


@of_that_version
@pytest.mark.parametrize("name", sorted(name for name in NAMES - AHEAD - set(METRICS) if name.startswith("gen_ai.")))
def test_an_attribute_of_the_conventions_is_released(name):
    assert name in released("attributes.gen_ai_attributes")


def test_every_other_name_is_ours_or_of_the_general_conventions():
    ours = {name for name in NAMES if not name.startswith(("gen_ai.", "aiclient."))}
    assert ours == {"server.address", "server.port", "error.type", "http.response.status_code"}


@pytest.mark.parametrize(
    ("name", "vendor", "called"),
    [
        ("openai", "openai", "openai"),
        ("azure", "openai", "azure.ai.openai"),
        ("bedrock", "bedrock", "aws.bedrock"),
        ("gemini", "google", "gcp.gemini"),
        ("vertex", "vertex", "gcp.vertex_ai"),
        ("mistral", "mistral", "mistral_ai"),
        ("xai", "xai", "x_ai"),
        ("mine", "anthropic", "anthropic"),
        ("mine", None, "mine"),
    ],
)
def test_a_provider_is_called_as_the_conventions_call_it(name, vendor, called):
    assert provider_name(name, vendor) == called


@pytest.mark.parametrize(
    ("origin", "found"),
    [
        ("https://api.openai.com", ("api.openai.com", 443)),
        ("http://[::1]:8080", ("::1", 8080)),
        ("http://example.org", ("example.org", 80)),
        ("nothing", None),
        ("http://example.org:99999", None),
        ("http://[bad", None),
    ],
)
def test_an_origin_is_read_as_host_and_port(origin, found):
    assert server(origin) == found


def test_buckets_are_those_that_the_conventions_advise():
    assert (SECONDS[0], round(SECONDS[-1], 2), len(SECONDS)) == (0.01, 81.92, 14)
    assert (TOKENS[0], TOKENS[-1], len(TOKENS)) == (1, 67108864, 14)

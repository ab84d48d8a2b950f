"""What is wrong with a file is said by path, with a suggestion, and without its values."""

from __future__ import annotations

import re

import pytest

from aiclient import Client, ConfigError

SECRET = "sk-live-0123456789abcdef"  # stands where no message may repeat it

BAD = [
    # --- not a file of its kind ---
    ("a.yaml", "", "must hold an object, not nothing"),
    ("a.yaml", "- 1\n- 2\n", "must hold an object, not a single value"),
    ("a.yaml", "model: [", "it is not YAML in line 1"),
    ("a.yaml", f"model: '{SECRET}", "it is not YAML in line 1"),
    ("a.yaml", "model: mock:x\nmodel: mock:y\n", "a key is given twice in line 2, column 1"),
    ("a.yaml", f"model: !!python/object:os.system {SECRET}", "it has a tag that is no plain value in line 1"),
    ("a.yaml", "? [a, b]\n: 1\n", "a key must be a text in line 1"),
    ("a.yaml", "model: mock\nproviders: {1: mock}\n", "a key must be a text: write it in quotes in line 2, column 13"),
    ("a.yaml", f"timeout: !!int {SECRET}", "a value cannot be read as what it is written as in line 1, column 10"),
    ("a.yaml", f"strict: !!bool {SECRET}", "a value cannot be read as what it is written as in line 1, column 9"),
    ("a.yaml", f"model: !!timestamp {SECRET}", "a value cannot be read as what it is written as in line 1"),
    ("a.yaml", "model: 2001-99-99", "a value cannot be read as what it is written as in line 1"),
    ("a.yaml", f"timeout: {'9' * 5000}", "a value cannot be read as what it is written as in line 1"),
    ("a.toml", f"timeout = {'9' * 5000}", "an integer has too many digits"),
    ("a.yaml", "use: &a [*a]", "$: is nested more than 40 levels deep"),
    ("a.yaml", "a: &a 1\nb: [" + ", ".join(["*a"] * 101) + "]\n", "it has more than 100 aliases in line 2"),
    ("a.yaml", "[" * 400, "it is n"),
    ("a.json", "{", "it is not JSON"),
    ("a.json", f'{{"model": "{SECRET}"', "it is not JSON: Expecting ',' delimiter in line 1"),
    ("a.json", '{"model": "mock:x", "model": "mock:y"}', "the key 'model' is given twice"),
    ("a.json", '{"timeout": NaN}', "NaN"),
    ("a.json", "[]", "must hold an object"),
    ("a.toml", "model = [\n", "it is not TOML (at"),
    ("a.toml", 'model = "a"\nmodel = "b"\n', "a key is given twice (at line 2"),
    ("a.toml", f"model = {SECRET}", "it is not TOML"),
    ("a.ini", "model=mock:x", "must end in .json, .toml, .yaml or .yml"),
    ("a.yaml", b"\xff\xfe\xff", "it is not UTF-8"),
    ("a.json", " " * 1_048_577, "is larger than 1048576 bytes"),
    # --- keys and types at the top ---
    ("a.yaml", "mdel: mock:x", "$.mdel: is not known here; did you mean 'model'?"),
    ("a.yaml", f"zzzzzz: {SECRET}", "$.zzzzzz: is not known here; there are aliases, budgets, cache"),
    ("a.yaml", "model: 5", "$.model: must be a text, not a number"),
    ("a.yaml", f"model: {SECRET}", "$.model: names no provider that is known: write provider:model"),
    ("a.yaml", "model: opnai:gpt", "$.model: names no provider that is known"),
    ("a.yaml", "model: mock:x\nproviders: {a: 'mock:x'}", "$.model: cannot stand beside `providers`"),
    ("a.yaml", "preset: quick", '$.preset: must be one of "fast", "balanced", "reliable", "cheap"'),
    ("a.yaml", "strict: 'yes'", "$.strict: must be a boolean, not a text"),
    ("a.yaml", "max_attempts: 1.5", "$.max_attempts: must be a whole number"),
    ("a.yaml", "max_attempts: 0\nmodel: mock:x", "$.max_attempts: must be at least 1"),
    ("a.yaml", "timeout: soon", "$.timeout: must be a duration such as 30s"),
    ("a.yaml", "timeout: 0", "$.timeout: must be a duration such as 30s"),
    ("a.yaml", "timeout: .inf", "$.timeout: must be a duration such as 30s"),
    ("a.yaml", "timeout: {totl: 3}", "$.timeout.totl: is not known here; did you mean 'total'?"),
    ("a.yaml", "timeout: {idle: -1}", "$.timeout.idle: must be a duration"),
    ("a.yaml", "aliases: {fast: 3}", "$.aliases.*: must be a text"),
    ("a.yaml", "prices: 3", "$.prices: must be a text or an object"),
    ("a.yaml", "model: mock:x\nprices: {m: {input: 1}}", "$.prices: prices of 'm': give 'input' and 'output'"),
    (
        "a.yaml",
        f"model: mock:x\nprices: {{m: {{input: 1, output: {SECRET}}}}}",
        "$.prices: price 'output' of 'm' must be US dollars",
    ),
    # --- providers ---
    ("a.yaml", "timeout: 3", "OPENAI_API_KEY"),
    ("a.yaml", "providers: [mock:x]", "$.providers: must be an object: a name for each"),
    ("a.yaml", "providers: {a: 3}", "$.providers.a: must be a model string such as openai:gpt-5.4-mini, or an object"),
    (
        "a.yaml",
        "providers: {a: {provider: opanai}}",
        "$.providers.a.provider: names no provider that is known; did you mean 'openai'?",
    ),
    (
        "a.yaml",
        "providers: {openai: {api_kye: x}}",
        "$.providers.openai.api_kye: is not known here; did you mean 'api_key'?",
    ),
    (
        "a.yaml",
        f"providers: {{openai: {{api: {SECRET}}}}}",
        '$.providers.openai.api: must be one of "chat", "responses"',
    ),
    ("a.yaml", "providers: {openai: {http_client: x}}", "$.providers.openai.http_client: is a function or an object"),
    ("a.yaml", "providers: {openai: {api_key: 5}}", "$.providers.openai.api_key: must be a text: env:NAME"),
    (
        "a.yaml",
        f"providers: {{openai: {{api_key: 'cmd:cat {SECRET}'}}}}",
        "$.providers.openai.api_key: cannot be a command",
    ),
    (
        "a.yaml",
        "providers: {openai: {api_key: 'env:NOT_SET'}}",
        "$.providers.openai.api_key: needs the variable NOT_SET",
    ),
    (
        "a.yaml",
        "providers: {openai: {api_key: '${NOT_SET}'}}",
        "$.providers.openai.api_key: needs the variable NOT_SET",
    ),
    (
        "a.yaml",
        "providers: {openai: {api_key: 'file:/nowhere/key'}}",
        "$.providers.openai.api_key: names a file that is not there",
    ),
    (
        "a.yaml",
        "providers: {openai: {api_key: '***'}}",
        "$.providers.openai.api_key: was left out when this configuration was written",
    ),
    ("a.yaml", "model: 'mock:${'", "$.providers.mock.model: holds ${ that begins no variable"),
    (
        "a.yaml",
        f"providers: {{compatible: {{base_url: '{SECRET}'}}}}",
        "$.providers.compatible: base_url must begin with https://",
    ),
    ("a.yaml", "providers: {compatible: {model: x}}", "$.providers.compatible.base_url: is missing"),
    ("a.yaml", "providers: {a: {provider: mock, priority: first}}", "$.providers.a.priority: must be a whole number"),
    ("a.yaml", "providers: {a: {provider: mock, headers: {X: 1}}}", "$.providers.a.headers: is not known here"),
    ("a.yaml", "providers: {openai: {headers: {X-Key: 1}}}", "$.providers.openai.headers.X-Key: must be a text"),
    # --- layers ---
    ("a.yaml", "use: retry", "$.use: must be a list of layers"),
    ("a.yaml", "use: [rety]", "$.use[0].rety: is not known here; did you mean 'retry'?"),
    ("a.yaml", "use: [{retry: {}, cache: {}}]", "$.use[0]: must be a name, or an object with one name and its options"),
    ("a.yaml", "use: [{retry: 3}]", "$.use[0].retry: must be an object with attempts, base"),
    (
        "a.yaml",
        "use: [logging, {retry: {atempts: 3}}]",
        "$.use[1].retry.atempts: is not known here; did you mean 'attempts'?",
    ),
    (
        "a.yaml",
        f"use: [{{retry: {{attempts: {SECRET}}}}}]",
        "$.use[0].retry.attempts: must be a whole number, not a text",
    ),
    (
        "a.yaml",
        "use: [{retry: {attempts: 0}}]\nmodel: mock:x",
        "$.use[0].retry: attempts must be a whole number of at least 1",
    ),
    (
        "a.yaml",
        "use: [{retry: {on_retry: print}}]",
        "$.use[0].retry.on_retry: is a function or an object, which only code can give",
    ),
    ("a.yaml", "use: [hedge]", "$.use[0].after: is missing"),
    ("a.yaml", "use: [{retry: {retry_on: [bogus]}}]", '$.use[0].retry.retry_on[0]: must be one of "authentication"'),
    ("a.yaml", "model: mock:x\nuse: [fallback]", "$.use[0].fallback: "),
    (
        "a.yaml",
        "model: mock:x\nuse: [{fallback: {targets: [nothing]}}]",
        "$.use[0].fallback.targets[0]: is none of `providers`",
    ),
    ("a.yaml", "use: [{fallback: {targets: []}}]", "$.use[0].fallback.targets: must be a list of providers"),
    ("a.yaml", "use: [{fallback: {targets: [{model: x}]}}]", "$.use[0].fallback.targets[0].provider: is missing"),
    (
        "a.yaml",
        "use: [{fallback: {targets: [{provider: mock:x, use: [bogs]}]}}]",
        "$.use[0].fallback.targets[0].use[0].bogs: is not",
    ),
    (
        "a.yaml",
        "providers: {mock: {use: [{fallback: {targets: [mock]}}]}}",
        "$.providers.mock: leads back to itself: mock -> mock",
    ),
    (
        "a.yaml",
        "use: [{cache: {store: reddis}}]",
        "$.use[0].cache.store.reddis: is not known here; did you mean 'redis'?",
    ),
    (
        "a.yaml",
        "use: [{defaults: {temprature: 1}}]",
        "$.use[0].defaults.temprature: is not known here; did you mean 'temperature'?",
    ),
    ("a.yaml", "cache: true\nuse: [cache]", "$.cache: stands in `use` too"),
    ("a.yaml", "cache: {ttll: 1}", "$.cache.ttll: is not known here; did you mean 'ttl'?"),
    ("a.yaml", f"budgets: [{{usd: {SECRET}}}]", "$.budgets[0]: usd must be"),
    ("a.yaml", "budgets: [{period: week, usd: 1}]", "$.budgets[0].period: must be one of"),
    ("a.yaml", "budgets: [{}]", "$.budgets[0]: a limit limits nothing"),
    ("a.yaml", "logging: {levl: INFO}", "$.logging.levl: is not known here; did you mean 'level'?"),
    # --- profiles ---
    ("a.yaml", "profiles: [dev]", "$.profiles: must be an object"),
    ("a.yaml", "profiles: {dev: 3}", "$.profiles.dev: must be an object"),
    ("a.yaml", "profile: prd\nprofiles: {prod: {}}", "$.profile: is none of `profiles`; did you mean 'prod'?"),
    ("a.yaml", "profiles: {dev: {mdel: x}}", "$.profiles.dev.mdel: is not known here; did you mean 'model'?"),
    ("a.yaml", "profiles: {dev: {profile: x}}", "$.profiles.dev.profile: cannot stand in a profile"),
]


def test_there_are_at_least_sixty():
    assert len(BAD) >= 60


@pytest.mark.parametrize(("name", "content", "message"), BAD, ids=[f"{n}-{m[:40]}" for n, (_, _, m) in enumerate(BAD)])
def test_a_bad_file_is_refused_by_path_and_without_its_values(tmp_path, monkeypatch, name, content, message):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        Client.from_config(path, environ={})
    assert message in str(caught.value)
    assert SECRET not in repr(caught.value)
    assert not re.search(r"(?i)traceback|__main__", str(caught.value))


def test_all_problems_are_told_at_once_up_to_twenty():
    with pytest.raises(ConfigError) as caught:
        Client.from_config({f"key{number}": number for number in range(25)})
    lines = str(caught.value).splitlines()
    assert (lines[0], len(lines), lines[-1]) == ("the configuration has 25 problems:", 22, "... and 5 more")


@pytest.mark.parametrize("name", ["missing.yaml", ""])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    with pytest.raises(ConfigError, match="cannot be read: "):
        Client.from_config(tmp_path / name)

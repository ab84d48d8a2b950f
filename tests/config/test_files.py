"""Files and what they may do to whoever reads them: formats, open files, permissions, aliases without end, references."""

from __future__ import annotations

import io
import json
import sys
import time
import warnings
from pathlib import Path

import pytest

from aiclient import AIClientWarning, Client, ConfigError, SecretStr, registry
from aiclient.config import Config, read_config, setup
from aiclient.config.environment import VARIABLES
from aiclient.config.parts import layer_options
from aiclient.config.references import discreet, expanded, secret_of
from aiclient.config.shape import ENTRY, entry_form, root

EXAMPLES = Path(__file__).parents[2] / "examples" / "config"

FORMATS = {
    "a.yaml": "model: mock:x\nuse:\n  - retry: {attempts: 2}\n",
    "a.yml": "{model: mock:x, use: [{retry: {attempts: 2}}]}",
    "a.json": '{"model": "mock:x", "use": [{"retry": {"attempts": 2}}]}',
    "a.toml": 'model = "mock:x"\nuse = [{ retry = { attempts = 2 } }]\n',
}
EXPECTED = Config(model="mock:x", use=[{"retry": {"attempts": 2}}])


@pytest.mark.parametrize("name", FORMATS)
def test_all_formats_say_the_same(tmp_path, name):
    (tmp_path / name).write_text(FORMATS[name], "utf-8")
    assert read_config(tmp_path / name) == read_config(str(tmp_path / name)) == EXPECTED


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("mode", ["r", "rb"])
def test_an_open_file_is_read(tmp_path, name, mode):
    (tmp_path / name).write_text(FORMATS[name], "utf-8")
    with (tmp_path / name).open(mode) as file:
        assert read_config(file) == EXPECTED


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
def test_an_open_file_without_a_name_is_json_or_yaml(name):
    assert read_config(io.StringIO(FORMATS[name])) == EXPECTED


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + FORMATS["a.json"].encode())
    assert read_config(tmp_path / "a.json") == EXPECTED


@pytest.mark.parametrize("source", [5, None, object()])
def test_what_is_no_source_is_refused(source):
    with pytest.raises(ConfigError, match="a path, an open file, a dict or a Config"):
        read_config(source)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
def test_a_device_is_not_read():
    with pytest.raises(ConfigError, match="no regular file"):
        read_config("/dev/zero")


@pytest.mark.parametrize(
    ("opened", "problem"),
    [
        ({"mode": "w"}, "not readable"),
        ({"mode": "r", "encoding": "ascii"}, "it is not UTF-8"),
    ],
)
def test_an_open_file_that_cannot_be_read_is_said_to_be(tmp_path, opened, problem):
    (tmp_path / "a.json").write_bytes(b"\xff")
    with (
        (tmp_path / "a.json").open(**opened) as file,
        pytest.raises(ConfigError, match=f"a.json' cannot be read: {problem}"),
    ):
        read_config(file)


def test_no_path_holds_a_zero_byte():
    with pytest.raises(ConfigError, match="cannot be read: no path holds a zero byte"):
        read_config("a\0.json")
    with pytest.raises(ConfigError, match="cannot be read: no path holds a zero byte"):
        setup({"model": "mock:x"}, env_file="a\0")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
def test_a_device_without_end_is_no_file_of_variables():
    with pytest.raises(ConfigError, match="is larger than 1048576 bytes"):
        setup({"model": "mock:x"}, env_file="/dev/zero")


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"providers": {1: "mock"}}, "$.providers.1"),
        ({"model": "mock", "profiles": {2: {}}}, "$.profiles.2"),
        ({"providers": {"openai": {"headers": {3: "x"}}}}, "$.providers.openai.headers.3"),
    ],
)
def test_what_is_named_by_no_text_is_refused(config, path):
    with pytest.raises(ConfigError) as caught:
        Config.of(config)
    assert f"{path}: must have a text as its name" in str(caught.value)
    with pytest.raises(ConfigError):
        Config(**config)


@pytest.mark.parametrize(("option", "said"), [({"profile": 3}, "profile=3 must"), ({"model": 3}, "model=3 must")])
def test_an_argument_that_is_no_text_is_named(option, said):
    with pytest.raises(ConfigError, match=said):
        Client.from_config({"model": "mock"}, **option)


def test_a_logging_section_that_cannot_be_is_named_without_its_level():
    with pytest.raises(ConfigError) as caught:
        Client.from_config({"model": "mock", "logging": {"level": "sk-loud"}})
    assert str(caught.value).startswith("the configuration: $.logging: level must be a number")


# --- YAML ---


def laughs(levels, width, join):
    lines = [f"a0: &a0 {join(['x'] * width)}"]
    lines += [f"a{n}: &a{n} {join([f'*a{n - 1}'] * width)}" for n in range(1, levels)]
    return "\n".join(lines)


def cpu(work):
    began = time.process_time()
    work()
    return time.process_time() - began


def refused(text):
    with pytest.raises(ConfigError) as caught:
        read_config(io.StringIO(text))
    return str(caught.value)


LAUGHS = {
    "lists": laughs(10, 10, lambda items: f"[{', '.join(items)}]"),
    "few": laughs(9, 9, lambda items: f"[{', '.join(items)}]"),
    "merged": "a0: &a0 {x: 1}\n"
    + "\n".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 10)),
    "itself": "model: &a [*a]",
}


@pytest.mark.parametrize("kind", LAUGHS)
def test_aliases_that_grow_without_end_are_refused_at_once(kind):
    refused(LAUGHS[kind])  # the first brings the library
    assert cpu(lambda: refused(LAUGHS[kind])) < 0.5


def test_aliases_that_grow_without_end_are_refused_before_a_file_is_searched_for_secrets(tmp_path):
    (tmp_path / "a.yaml").write_text(LAUGHS["few"], "utf-8")
    with pytest.raises(ConfigError, match="holds more than 20000 values"):
        read_config(tmp_path / "a.yaml")


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system ['true']", "!!python/name:os.system", "!mine x"])
def test_a_tag_makes_no_object(tag):
    assert "it has a tag that is no plain value in line 1" in refused(f"model: {tag}")


def test_bytes_and_dates_are_no_texts():
    assert "$.model: must be a text" in refused("model: !!binary eA==")
    assert "$.model: must be a text" in refused("model: 2026-11-28")


def test_anchors_and_merged_keys_are_read():
    text = "providers:\n  a: &a {provider: mock, model: x}\n  b: &b {<<: *a, model: y}\n  c: {<<: *b}\n"
    assert [entry.model for entry in read_config(io.StringIO(text)).providers.values()] == ["x", "y", "y"]


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ConfigError, match=r"pip install 'aiclient\[yaml\]', or write JSON or TOML"):
        read_config(io.StringIO("model: mock:x"))


def test_a_dict_that_holds_itself_is_refused():
    value: dict = {"model": "mock:x"}
    value["aliases"] = value
    with pytest.raises(ConfigError, match="more than 40 levels deep"):
        Config.of(value)


# --- secrets ---

INLINE = {"providers": {"openai": {"api_key": "sk-0123456789-inline", "model": "x"}}}
REFERENCE = {"providers": {"openai": {"api_key": "env:OPENAI_API_KEY", "model": "x"}}}


def written(tmp_path, value, mode):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(value))
    path.chmod(mode)
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are others there")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_with_secrets_that_others_may_read_warns(tmp_path, mode):
    with pytest.warns(AIClientWarning, match=r"holds secrets \(\$\.providers\.openai\.api_key\).*chmod 600") as caught:
        read_config(written(tmp_path, INLINE, mode))
    assert "inline" not in str(caught[0].message)


@pytest.mark.parametrize(("value", "mode"), [(INLINE, 0o600), (REFERENCE, 0o644)])
def test_a_file_that_is_its_owners_or_holds_references_does_not_warn(tmp_path, value, mode):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_config(written(tmp_path, value, mode))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("${A}", "1"),
        ("x${A}y${B}", "x1y2"),
        ("${C:-d}", "d"),
        ("${C:-}", ""),
        ("${A:-d}", "1"),
        ("$${A}", "${A}"),
        ("$A $", "$A $"),
    ],
)
def test_variables_stand_in_texts(text, value):
    assert expanded(text, {"A": "1", "B": "2"}) == value


@pytest.mark.parametrize("text", ["${C}", "${", "${1}", "${A", "${C:-${A}}"])
def test_a_variable_that_is_not_set_or_none_is_an_error(text):
    with pytest.raises(ValueError, match=r"is not set|begins no variable"):
        expanded(text, {"A": "1"})


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_comes_from_a_file_without_its_line_break(tmp_path, ending):
    (tmp_path / "key").write_bytes(f"s3cret-value{ending}".encode())
    assert secret_of(f"file:{tmp_path / 'key'}", {}) == SecretStr("s3cret-value")


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff", b"x" * 65_537])
def test_a_file_that_holds_no_secret_is_refused(tmp_path, content):
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ValueError, match=r"names a file that is empty|holds no UTF-8|of over 65536"):
        secret_of(f"file:{tmp_path / 'key'}", {})


@pytest.mark.parametrize(
    ("reference", "said"),
    [("env:", "names no variable: write env:NAME"), ("file:~nobody-of-this-name/key", "home folder that is not known")],
)
def test_a_reference_to_nothing_says_what_is_not_there(reference, said):
    with pytest.raises(ValueError, match=said):
        secret_of(reference, {})


def test_a_secret_given_as_one_is_no_reference():
    assert secret_of(SecretStr("env:X"), {"X": "other"}) == SecretStr("env:X")


@pytest.mark.parametrize(
    ("message", "value", "said"),
    [
        ("attempts=0 must be more", {"attempts": 0}, "attempts must be more"),
        ("'sk-1' names no provider", {"model": "sk-1"}, "it names no provider"),
        ("weights=[1, 'x'] are wrong", {"weights": [1, "x"]}, "weights are wrong"),
        ("a word that holds it", {"x": "or"}, "a word that holds it"),
    ],
)
def test_what_a_constructor_says_is_passed_on_without_values(message, value, said):
    assert discreet(message, value) == said


# --- the examples ---


def test_the_simple_example_makes_a_client(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-reader")
    with Client.from_config(EXAMPLES / "simple.yaml", environ={}) as client:
        assert "gpt-5.4-mini" in client.explain() and len(client.middleware) == 4


FULL = (EXAMPLES / "full.yaml").read_text("utf-8")
CHAIN = FULL.split("\nuse:\n", 1)[1]


@pytest.mark.parametrize(("profile", "level"), [(None, "WARNING"), ("dev", "DEBUG"), ("staging", "INFO")])
def test_the_full_example_makes_a_client(profile, level):
    environ = {"OPENAI_API_KEY": "sk-of-the-reader", "ANTHROPIC_API_KEY": "sk-ant-of-the-reader"}
    found = setup(EXAMPLES / "full.yaml", environ=environ, profile=profile)
    assert found.config.logging["level"] == level
    names = [type(layer).__name__ for layer in found.layers]
    assert names[:7] == ["Tracing", "Metrics", "Logging", "Defaults", "Budget", "Cache", "SingleFlight"]
    assert names[7:] == ["Fallback", "Fallback", "Retry", "CircuitBreaker", "RateLimit"]


def options_of_layers():
    return [
        (name, option.name)
        for name in registry.MIDDLEWARE
        for option in layer_options(name).options.values()
        if option.form
    ]


def test_the_full_example_has_every_key_and_every_option_of_every_layer():
    missing = [key for key in root().options if key != "model" and f"\n{key}:" not in FULL]
    part = {
        name: CHAIN.split(f"- {name}", 1)[1].split("\n  - ", 1)[0].split("\n  # - ", 1)[0]
        for name in registry.MIDDLEWARE
    }
    assert missing + [pair for pair in options_of_layers() if f" {pair[1]}:" not in part[pair[0]]] == []


def test_the_full_example_has_every_key_of_an_entry_and_option_of_the_first_provider():
    entry = FULL.split("  main:", 1)[1].split("  backup:", 1)[0]
    names = {*ENTRY, *(name for name, option in entry_form("openai").options.items() if option.form)}
    assert [name for name in sorted(names) if f" {name}:" not in entry] == []


def test_the_example_of_a_file_of_variables_names_them_all_and_is_read():
    text = (EXAMPLES / ".env.example").read_text("utf-8")
    assert [name for name in VARIABLES if f"{name}=" not in text] == []
    found = setup(
        {"model": "mock:x", "profiles": {"dev": {"strict": True}}}, environ={}, env_file=EXAMPLES / ".env.example"
    )
    assert (found.strict, found.timeouts.total) == (True, 90)

"""What is shown of a text that others wrote: no secret in any form, one line, in time in proportion to its length."""

from __future__ import annotations

import base64
import gc
import gzip
import html
import json
import time
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.providers import CompatibleProvider
from aiclient.redaction import clean, fingerprint, known, one_line, redact
from aiclient.secrets import SecretStr

KEY = "sk-proj-abcdefghijklmnop"
CUSTOM = SecretStr("zq/7+tenant=0451\\x")
RECORDINGS = Path(__file__).parents[2] / "shared" / "wire" / "openai.chat.jsonl.gz"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain text, äöü €", "plain text, äöü €"),
        ("two\nlines\r\n\ttabbed", r"two\nlines\r\n\ttabbed"),
        ("\x1b[31mred\x00", r"\x1b[31mred\x00"),
        ("line\u2028separator", r"line\u2028separator"),
        ("right\u202eto left", r"right\u202eto left"),
        (f"key {KEY}.", "key ***"),
        ("Authorization: Bearer abc123", "Authorization: ***"),
        ("'authorization': 'Basic dXNlcjpwYXNz'", "'authorization': '***'"),
        ("it said Bearer abc.def-ghi", "it said ***"),
        ("AIzaSyA-1234567890abcdefghij", "***"),
        ("AKIAIOSFODNN7EXAMPLE", "***"),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.c2ln", "***"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----.", "***."),
        ('{"api_key": "0123456789ab"}', '{"api_key": "***"}'),
        ("https://user:pass@host/x?key=abc&n=1", "https://***@host/x?key=***&n=1"),
        ("sk-short and task-force-one-alpha", "sk-short and task-force-one-alpha"),
        ("the bearer of documents, api_key = os.environ", "the bearer of documents, api_key = os.environ"),
        ("sk-learn-compatible estimators", "sk-learn-compatible estimators"),
    ],
)
def test_a_text_is_one_line_and_shows_no_key(text, cleaned):
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    "key",
    [
        *("sk-a1b2c3d4e5", "sk_a1b2c3d4e5", "pk_live_a1b2c3d4", "rk_test_a1b2c3d4", "gsk_a1b2c3d4e5", "xai-a1b2c3d4e5"),
        *("hf_a1b2c3d4e5", "ghp_a1b2c3d4e5", "gho_a1b2c3d4", "ghu_a1b2c3d4", "ghs_a1b2c3d4", "ghr_a1b2c3d4"),
        *("github_pat_a1b2c3d4", "glpat-a1b2c3d4", "xoxb-a1b2c3d4", "pplx-a1b2c3d4", "r8_a1b2c3d4", "tvly-a1b2c3d4"),
        *("nvapi-a1b2c3d4", "csk-a1b2c3d4", "ya29.a1b2c3d4e5f6g7h8i9j0", "GOCSPX-a1b2c3d4e5", "ASIAIOSFODNN7EXAMPLE"),
        "ABSKQmVkcm9ja0FQSUtleQ",
    ],
)
def test_a_key_of_every_known_shape_is_masked(key):
    assert redact(f"x {key} y") == "x *** y"


@pytest.mark.parametrize(
    "name",
    [
        *("api_key", "API-Key", "apikey", "x-api-key", "x-goog-api-key", "client_secret", "client-secret"),
        *("secret_access_key", "secret-access-key", "access_token", "refresh-token", "id_token", "Access_Token"),
    ],
)
def test_what_is_assigned_to_the_name_of_a_secret_is_masked(name):
    assert redact(f"{name}=a1b2c3d4e5") == f"{name}=***"
    assert redact(f'"{name}": "a1b2c3d4e5"') == f'"{name}": "***"'


@pytest.mark.parametrize("name", ["key", "api_key", "token", "access_token", "sig", "signature", "X-Amz-Signature"])
def test_a_parameter_of_a_url_that_is_a_secret_is_masked(name):
    assert redact(f"https://host/path?n=1&{name}=abc%20d#top") == f"https://host/path?n=1&{name}=***#top"


# --- known secrets ---


def broken(text):
    return f"{text[:7]}\n    {text[7:]}"


def escaped(text):
    return "".join(f"\\u{ord(char):04x}" for char in text)


FORMS = {
    "plain": str,
    "json": json.dumps,
    "json-twice": lambda text: json.dumps(json.dumps(text)),
    "json-all": escaped,
    "repr": repr,
    "percent": lambda text: quote(text, safe=""),
    "percent-twice": lambda text: quote(quote(text, safe=""), safe=""),
    "percent-all": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "query": quote_plus,
    "html": html.escape,
    "html-all": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "broken": broken,
    "hex": lambda text: text.encode().hex(),
    **{f"base64-{n}": lambda text, n=n: base64.b64encode(b"u" * n + text.encode() + b"zz").decode() for n in range(3)},
    "base64-url": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64-lines": lambda text: broken(base64.b64encode(text.encode()).decode()),
    "base64-percent": lambda text: quote(base64.b64encode(text.encode()).decode(), safe=""),
}
EVERY_FORM = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())


@EVERY_FORM
def test_a_living_secret_is_masked_in_whatever_form_it_comes(form):
    shown = known(f"before <{form(CUSTOM.reveal())}> after")
    assert shown.startswith("before <") and shown.endswith("> after") and "***" in shown
    assert remains(shown, form(CUSTOM.reveal())) < 9


def remains(shown, written):
    """The longest piece of what was written that still stands there."""
    pieces = (written[start:end] for start in range(len(written)) for end in range(start, len(written) + 1))
    return max(len(piece) for piece in pieces if piece in shown.removeprefix("before <").removesuffix("> after"))


KEYS = st.text(alphabet="abcdefXYZ0123456789-_+/=.", min_size=12, max_size=60).filter(
    lambda text: any(char.isdigit() for char in text)
)
ORDINARY = st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=40)


@given(KEYS, st.sampled_from(list(FORMS.values())), ORDINARY, ORDINARY)
def test_no_text_around_a_secret_hides_it(value, form, before, after):
    secret = SecretStr(value)
    written = form(value)
    shown = redact(f"{before} {written} {after}")
    assert value not in shown and written not in shown
    assert secret


@given(st.lists(KEYS, min_size=2, max_size=4, unique=True))
def test_secrets_that_overlap_are_masked_together(values):
    secrets = [SecretStr(value) for value in values]
    shown = known("".join(values) + values[0][:5])
    assert not [value for value in values if value in shown]
    assert secrets


def test_a_secret_that_nobody_holds_is_forgotten():
    secret = SecretStr("forgotten-4711-value")
    assert known("forgotten-4711-value") == "***"
    del secret
    gc.collect()
    assert known("forgotten-4711-value") == "forgotten-4711-value"


@pytest.mark.parametrize("dropped", [0, 1])
def test_of_two_equal_secrets_either_outlives_the_other(dropped):
    secrets = [SecretStr("twice-0815-value"), SecretStr("twice-0815-value")]
    del secrets[dropped]
    gc.collect()
    assert known("twice-0815-value") == "***"


@pytest.mark.parametrize("word", ["ollama", "lm-studio", "no-key-required", "dummy", "0451"])
def test_a_key_that_is_a_word_is_masked_only_where_it_is_named(word):
    secret = SecretStr(word)
    assert known(f"a {word} server") == f"a {word} server"
    assert known(f"a {word} server", [secret]) == ("a *** server" if len(word) > 5 else f"a {word} server")


@pytest.mark.parametrize(
    ("text", "secrets", "masked"),
    [
        ("key=abcdef!", ["abcdef"], "key=***!"),
        ("abcdef abcdef", ["abcdef"], "*** ***"),
        ("abcde", ["abcde"], "abcde"),
        ("nothing here", ["abcdef"], "nothing here"),
        ("", ["abcdef"], ""),
        ("abcdef-live and abcdef", ["abcdef", "abcdef-live"], "*** and ***"),
        ("text", [""], "text"),
    ],
    ids=["once", "twice", "too-short", "absent", "no-text", "one-begins-another", "empty-secret"],
)
def test_mask_replaces_every_occurrence(text, secrets, masked):
    assert known(text, [SecretStr(secret) for secret in secrets]) == masked


@given(st.text(), st.text(), st.text(alphabet="abcXYZ019-", min_size=6))
def test_a_masked_text_never_holds_the_secret(before, after, secret):
    assert secret not in known(before + secret + after, [SecretStr(secret)])


# --- ordinary texts ---

WORDS = st.sampled_from(
    "the a my your key token bearer secret password of is in to please explain sk learn api model return function "
    "authorization basic what how why https://example.com/a?page=2 x=1 def f(x): 2024-05-01 12:30 e.g. 3.14 user@mail.test "
    "C:\\new\\file {json: [1, 2]} %20 50% &amp; <b>bold</b> eyJ AKIA task-force sk_learn.model".split()
)


@given(st.lists(WORDS, max_size=60).map(" ".join))
def test_ordinary_words_stay_as_they_are(text):
    assert redact(text) == text


@pytest.mark.skipif(not RECORDINGS.exists(), reason="the recordings lie beside the checkout, and are not there")
def test_recorded_prompts_stay_as_they_are():
    with gzip.open(RECORDINGS, "rt") as lines:
        records = [json.loads(line)["request"].get("json") or {} for line in lines]
    texts = {m["content"] for r in records for m in r.get("messages", ()) if isinstance(m.get("content"), str)}
    assert len(texts) > 300
    assert [text for text in texts if redact(text) != text] == []


# --- time, and lines ---

ADVERSARIAL = [
    "bearer ",
    "eyJaaaaaaaaa-",
    "eyJaaaaaaaa.",
    "\\",
    "sk-",
    "-----BEGIN ",
    "%2",
    "&",
    "&#1",
    "a://b:",
    "\\u00",
    " ",
]
ADVERSARIAL += ["authorization:", "api_key=", "?key=", "://", "zq/7", "%25", "\\\\u005c"]


@pytest.mark.slow
@pytest.mark.parametrize("piece", ADVERSARIAL)
def test_twice_the_text_takes_twice_the_time(piece):
    times = []
    for size in (2**17, 2**19):
        text = (piece * size)[:size]
        began = time.process_time()
        redact(text)
        times.append(time.process_time() - began)
    assert times[1] < 12 * max(times[0], 0.02)  # four times as much text; a square would be sixteen


@given(st.text())
def test_whatever_is_said_is_one_printable_line(text):
    assert clean(text).isprintable()
    assert one_line(one_line(text)) == one_line(text)


@given(st.text(max_size=200), st.integers(1, 50))
def test_a_limit_is_kept(text, limit):
    assert len(redact(text)) <= limit or clean(text, limit=limit).endswith(" more characters)")
    assert len(clean(text, limit=limit)) <= 10 * limit + 40  # an escape is up to ten characters


def test_far_beyond_the_limit_nothing_is_looked_at():
    assert clean("x" * 10_000_000, limit=10) == "xxxxxxxxxx... (9999990 more characters)"


def test_equal_texts_have_equal_fingerprints_and_others_have_not():
    assert fingerprint("ann") == fingerprint("ann") != fingerprint("bob")
    assert len(fingerprint("ann")) == 12 and "ann" not in fingerprint("ann")


# --- what providers hold ---


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("by-header-4711-x", "***"),
        ("by-cookie-0815-x", "***"),
        ("by-query-2038-x", "***"),
        ("by-key-31415-x", "***"),
        ("acme-tenant-2024", "acme-tenant-2024"),
        ("2024-10-21-preview", "2024-10-21-preview"),
    ],
)
def test_what_a_provider_sends_as_a_secret_is_masked_as_long_as_it_lives(text, shown):
    provider = CompatibleProvider(
        "http://127.0.0.1:9/v1?sig=by-query-2038-x&api-version=2024-10-21-preview",
        api_key="by-key-31415-x",
        model="m",
        headers={
            "X-Api-Key": "Token by-header-4711-x",
            "Cookie": SecretStr("by-cookie-0815-x"),
            "X-Tenant": "acme-tenant-2024",
        },
    )
    provider.validate_config()
    assert known(f"it said {text}") == f"it said {shown}"
    del provider
    gc.collect()
    assert known(f"it said {text}") == f"it said {text}"

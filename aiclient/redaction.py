"""What may be shown of a text that others wrote: known secrets masked, then what looks like a key, on one line.

The values of every living `SecretStr` are known, and found in whatever form a service or a formatter gave them: as they are,
percent-encoded, with the escapes of JSON, HTML or Python, broken over lines, in hexadecimal, or inside base64 at any offset.
Everything here takes time in proportion to the text: no expression goes back more than a fixed number of steps.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final

from .secrets import MASK, SecretStr, living

__all__ = ["clean", "fingerprint", "known", "one_line", "redact"]

_LEAST: Final = 8
_SURELY: Final = 20
"""Characters. A value below the first is not searched for everywhere, nor one without a digit below the second: local
servers are given `ollama` or `no-key-needed` as their key, which are words and not secrets."""

_DEPTH: Final = 2
"""How often escapes are undone: text inside JSON inside JSON."""

_MARGIN: Final = 4096
"""Characters that are looked at beyond a size limit: what is cut off must not be the better half of a key."""

_NAMED: Final = {"amp": "&", "quot": '"', "apos": "'", "lt": "<", "gt": ">", "plus": "+", "equals": "=", "sol": "/"}
"""What HTML calls characters that keys are made of."""

_ESCAPE: Final = re.compile(
    r"%(?P<percent>[0-9A-Fa-f]{2})"
    r"|\\++(?:u(?P<unicode>[0-9A-Fa-f]{4})|x(?P<hex>[0-9A-Fa-f]{2})|(?P<dropped>[nrt]?))"
    r"|&(?:\#(?P<decimal>[0-9]{1,6})|\#[xX](?P<entity>[0-9A-Fa-f]{1,5})|(?P<name>[A-Za-z]{2,8}));"
    r"|\s++"
)

_SHAPES: Final = re.compile(
    r"""
    (?P<name>(?i:\bauthorization["']?\s{0,9}[:=]\s{0,9}["']?))(?i:(?:basic|bearer|token)\s{1,9})?[^\s"',;]++
  | (?i:\bbearer\s{1,9})(?P<bearer>[\w\-.~+/=]{8,}+)
  | (?<![\w\-.])(?:sk[-_]|[pr]k_(?:live|test)_|gsk_|xai-|hf_|gh[opusr]_|github_pat_|glpat-|xox[abeprs]-
        |pplx-|r8_|tvly-|nvapi-|csk-)(?P<prefixed>[\w\-.]{8,}+)
  | (?<![\w\-])(?:AIza[\w\-]{20,}+|ya29\.[\w\-]{20,}+|GOCSPX-[\w\-]{10,}+)
  | \b(?:AKIA|ASIA|ABSK)\w{12,}+
  | (?<![\w\-])eyJ[\w\-]{8,}+\.[\w\-]{8,}+(?:\.[\w\-]*+)?
  | -----BEGIN\ [A-Z\ ]{0,30}PRIVATE\ KEY-----[^-]*+(?:-----END\ [A-Z\ ]{0,30}PRIVATE\ KEY-----)?
  | (?P<assigned>(?i:\b(?:x[-_])?(?:goog[-_])?api[-_]?key|client[-_]secret|secret[-_]access[-_]key
        |(?:access|refresh|id)[-_]token)["']?\s{0,9}[:=]\s{0,9}["']?)(?P<value>[\w\-.~+/=]{8,}+)
  | (?P<parameter>(?i:[?&](?:key|api[-_]?key|token|access_token|sig|signature|x-amz-(?:signature|credential|security-token))=))
        [^&\s"'\#<>]++
  | (?P<scheme>://)[^\s/@:"'<>]{0,64}:[^\s/@"'<>]{1,256}@
    """,
    re.VERBOSE,
)
"""Shapes of keys, for those that nobody told us of: what a prompt or a service repeats. In `prefixed`, `bearer` and `value`
stands what must also look random, in `name`, `assigned`, `parameter` and `scheme` what stays."""

_TRIGGERS: Final = (
    # One stands, in lower case, in whatever a shape fits.
    *("authorization", "bearer", "-----begin", "eyj", "aiza", "ya29.", "gocspx-", "akia", "asia", "absk"),
    *(
        "sk-",
        "sk_",
        "pk_",
        "rk_",
        "xai-",
        "hf_",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
        "glpat-",
        "xox",
    ),
    *("pplx-", "r8_", "tvly-", "nvapi-", "api_key", "api-key", "apikey", "client_secret", "client-secret"),
    *("secret_access_key", "secret-access_key", "secret_access-key", "secret-access-key"),
    *(f"{kind}{dash}token" for kind in ("access", "refresh", "id") for dash in "-_"),
    *("?", "&", "@"),
)

_RUN: Final = re.compile(r"[A-Za-z]{16}")


def clean(text: str, *, limit: int | None = None) -> str:
    """Mask secrets, escape control characters, and cut: one record stays one line, of bounded length.

    Args:
        text: What others wrote.
        limit: Most characters that stay; how many more there were is said at the end.

    Example:
        >>> clean("Incorrect key sk-proj-0123456789abcdef\\x1b[31m")
        'Incorrect key ***\\\\x1b[31m'
    """
    if limit is None or len(text) <= limit:
        return one_line(redact(text))
    longest = max((len(secret.reveal()) for secret in living()), default=0)
    looked = limit + _MARGIN + 6 * longest
    shown = redact(text[:looked])
    more = len(shown) - limit + max(0, len(text) - looked)
    return one_line(shown) if more <= 0 else f"{one_line(shown[:limit])}... ({more} more characters)"


def redact(text: str) -> str:
    """Replace known secrets, in any form, and whatever has the shape of a key by `***`."""
    text = known(text)
    lowered = text.lower()
    if any(trigger in lowered for trigger in _TRIGGERS):  # most texts hold none: a tenth of the time
        return _SHAPES.sub(_shape, text)
    return text


def known(text: str, also: Iterable[SecretStr] = ()) -> str:
    """Replace the values of living secrets, and of `also` however plain they are, by `***`."""
    needles = {form for secret in living() if _tells(secret.reveal()) for form in secret.forms()}
    needles.update(form for secret in also if len(secret.reveal()) > 5 for form in secret.forms())
    spans = list(_found(text, needles, _DEPTH)) if needles else []
    return _masked(text, spans) if spans else text


def one_line(text: str) -> str:
    """Write control characters out, line breaks and changes of direction among them."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def fingerprint(text: str) -> str:
    """Return a short name for a text that is nobody's business; equal texts have equal names."""
    from hashlib import blake2b  # noqa: PLC0415  # it loads OpenSSL

    return blake2b(text.encode("utf-8", "surrogatepass"), key=b"aiclient.shown", digest_size=6).hexdigest()


# --- known secrets ---


def _tells(value: str) -> bool:
    return len(value) >= _SURELY or (len(value) >= _LEAST and any(char.isdigit() for char in value))


def _found(text: str, needles: Iterable[str], depth: int) -> Iterator[tuple[int, int]]:
    """Give where the needles stand in `text`, and in what it is with its escapes undone."""
    for needle in needles:
        at = text.find(needle)
        while at >= 0:
            yield at, at + len(needle)
            at = text.find(needle, at + 1)
    if depth > 0 and _worth_undoing(text, needles):
        plain = _Plain(text)
        for start, end in _found(plain.text, needles, depth - 1):
            yield plain.original(start, end)


def _worth_undoing(text: str, needles: Iterable[str]) -> bool:
    """Whether there are escapes, or white space that may stand in the middle of a secret."""
    if "\\" in text or "%" in text or "&" in text:
        return True
    pieces = text.split()
    joined = "".join(pieces) if len(pieces) > 1 else ""
    return any(needle in joined for needle in needles)


class _Plain:
    """A text without escapes and white space, which knows where each of its characters came from."""

    def __init__(self, text: str) -> None:
        pieces: list[str] = []
        self._plain: list[int] = []
        self._raw: list[int] = []
        self._ends: list[int] = []
        length = done = 0
        for match in _ESCAPE.finditer(text):
            for piece, start, end in (
                (text[done : match.start()], done, match.start()),
                (_meant(match), *match.span()),
            ):
                if piece:
                    self._plain.append(length)
                    self._raw.append(start)
                    self._ends.append(end)
                    pieces.append(piece)
                    length += len(piece)
            done = match.end()
        if done < len(text):
            self._plain.append(length)
            self._raw.append(done)
            self._ends.append(len(text))
            pieces.append(text[done:])
        self.text = "".join(pieces)

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return which part of the original the characters from `start` to `end` were."""
        first, last = bisect_right(self._plain, start) - 1, bisect_right(self._plain, end - 1) - 1
        return self._place(first, start), self._place(last, end - 1, after=True)

    def _place(self, piece: int, index: int, *, after: bool = False) -> int:
        offset = index - self._plain[piece]
        following = self._plain[piece + 1] if piece + 1 < len(self._plain) else len(self.text)
        if following - self._plain[piece] != self._ends[piece] - self._raw[piece]:  # an escape: all of it
            return self._ends[piece] if after else self._raw[piece]
        return self._raw[piece] + offset + after


def _meant(match: re.Match[str]) -> str:
    """Return the character that an escape stands for; none for white space, and for backslashes alone."""
    kind = match.lastgroup
    if kind is None or kind == "dropped":
        return ""
    value = match[kind]
    if kind == "name":
        return _NAMED.get(value, "")
    code = int(value, 10 if kind == "decimal" else 16)
    return chr(code) if code < 0x110000 else ""


def _masked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    pieces, done = [], 0
    for start, end in sorted(spans):
        if end > done:
            if start >= done:
                pieces += [text[done:start], MASK]
            done = end
    return "".join([*pieces, text[done:]])


# --- shapes ---


def _shape(match: re.Match[str]) -> str:
    """Return what stands in place of something that has the shape of a key, if it looks random enough."""
    for group in ("bearer", "prefixed", "value"):
        told = match[group]
        if told is None or any(char.isdigit() for char in told) or _RUN.search(told):
            continue
        if not (group == "bearer" and "." in told.strip(".")):
            return match[0]
    kept = next((match[group] for group in ("name", "assigned", "parameter", "scheme") if match[group]), "")
    return f"{kept}{MASK}@" if match["scheme"] else f"{kept}{MASK}"

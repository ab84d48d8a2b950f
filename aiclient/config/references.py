"""References in a configuration: `${NAME}` in texts, `env:NAME` and `file:path` for secrets; and what is a secret at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ..secrets import MASK, SecretStr

__all__ = [
    "concealed",
    "discreet",
    "expanded",
    "inline_secrets",
    "is_reference",
    "looks_secret",
    "revealed",
    "secret_of",
    "with_masks",
]

LONGEST: Final = 65_536
"""Bytes of a file that holds a secret."""

_VARIABLE: Final = re.compile(
    r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>(?:(?!\$\{)[^}])*))?\}|\$\{"
)
_SECRET: Final = re.compile(r"(?i)auth|cookie|credential|key|pass|secret|token")
_OPTIONS: Final = frozenset({"api_key", "bearer_token"})
_ADDRESSES: Final = frozenset({("store", "redis"), ("redis", "url")})
"""Keys with their owners: the addresses of Redis servers, long and short."""


def looks_secret(name: str) -> bool:
    """Whether a header of this name is one that holds a secret."""
    return _SECRET.search(name) is not None


def expanded(text: str, environ: Mapping[str, str]) -> str:
    """Return `text` with the variables in it filled in; `$${` stands for `${`.

    Raises:
        ValueError: A variable is not set and has no default (`${NAME:-default}`), or a `${` does not begin one.
    """

    def value(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        name, default = match["name"], match["default"]
        if name is None:
            raise ValueError(
                "holds ${ that begins no variable: write ${NAME}, ${NAME:-default}, or $${ for the characters"
            )
        found = environ.get(name) or default
        if found is None:
            raise ValueError(f"needs the variable {name}, which is not set")
        return found

    return _VARIABLE.sub(value, text)


def is_reference(text: str) -> bool:
    """Whether a text says where a secret is, instead of holding it."""
    return text.startswith(("env:", "file:")) or _VARIABLE.search(text) is not None


def secret_of(value: str | SecretStr, environ: Mapping[str, str]) -> SecretStr:
    """Return the secret that `value` is, or says where to find.

    Raises:
        ValueError: It is not there; the words hold nothing of it.
    """
    text = value.reveal() if isinstance(value, SecretStr) else value
    if text == MASK:
        raise ValueError(
            "was left out when this configuration was written (***): give env:NAME, file:path or the secret"
        )
    if isinstance(value, SecretStr):
        return value
    if text.startswith("env:"):
        name = text.removeprefix("env:").strip()
        if not name:
            raise ValueError("names no variable: write env:NAME")
        if not environ.get(name):
            raise ValueError(f"needs the variable {name}, which is not set")
        return SecretStr(environ[name])
    if text.startswith("file:"):
        return _from_file(Path(text.removeprefix("file:").strip()))
    return SecretStr(expanded(text, environ))


def _from_file(path: Path) -> SecretStr:
    problem: str
    try:
        path = path.expanduser()
        if not path.is_file():  # a pipe or a device would block or never end
            raise ValueError("names a file that is not there, or no regular one")
        with path.open("rb") as file:
            content = file.read(LONGEST + 1)
        text = content.decode("utf-8")
    except OSError as error:
        problem = f"names a file that cannot be read: {error.strerror or type(error).__name__}"
    except RuntimeError:  # `~` of nobody
        problem = "names a file in a home folder that is not known"
    except UnicodeDecodeError:
        problem = "names a file that holds no UTF-8 text"
    else:
        text = text.removesuffix("\n").removesuffix("\r")
        if text and len(content) <= LONGEST:
            return SecretStr(text)
        problem = "names a file that is empty" if not text else f"names a file of over {LONGEST} bytes"
    raise ValueError(problem)


# --- values with secrets in them ---


def _is_secret(owner: str, name: str) -> bool:
    """Whether a text of this name is one by its owner: a header, or the address of a server, which has its password in it."""
    return (owner, name) in _ADDRESSES or (owner == "headers" and looks_secret(name))


def _mapped(value: Any, key: str, secret: Callable[[Any], Any]) -> Any:
    """Return a copy of `value` with `secret` applied to what is one by the name of its key."""
    if isinstance(value, Mapping):
        return {
            name: secret(item)
            if isinstance(item, (str, SecretStr)) and (name in _OPTIONS or _is_secret(key, str(name)))
            else _mapped(item, str(name), secret)
            for name, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_mapped(item, "", secret) for item in value]
    return value


def concealed(value: Any) -> Any:
    """Return `value` with every secret that stands in it itself as a SecretStr."""
    return _mapped(
        value, "", lambda item: item if isinstance(item, SecretStr) or is_reference(item) else SecretStr(item)
    )


def with_masks(value: Any, mask: str = MASK) -> Any:
    """Return `value` as it may be written: secrets as `***`, references as they are."""
    return _mapped(value, "", lambda item: item if isinstance(item, str) and is_reference(item) else mask)


def revealed(value: Any) -> Any:
    """Return `value` with its secrets as texts; for checking alone."""
    if isinstance(value, SecretStr):
        return value.reveal()
    return _mapped(value, "", lambda item: item.reveal() if isinstance(item, SecretStr) else item)


def discreet(message: str, value: Any, name: str = "") -> str:
    """Return what a constructor says of `value` without the values in it, which may be secrets in the wrong place."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            message = discreet(message, item, str(key))
    elif isinstance(value, (list, tuple)):
        message = message.replace(f"{name}={value!r}", name)
        for item in value:
            message = discreet(message, item)
    else:
        message = message.replace(f"{name}={value!r}", name) if name else message
        if isinstance(value, str) and value:
            message = re.sub(rf"(?<!\w)(['\"]?){re.escape(value)}\1(?!\w)", "it", message)
    return message


def inline_secrets(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield where secrets stand in `value` themselves."""
    items: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(value, Mapping):
        items = iter(value.items())
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    for step, item in items:
        if isinstance(item, SecretStr):
            yield (*path, step)
        else:
            yield from inline_secrets(item, (*path, step))

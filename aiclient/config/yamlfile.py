"""YAML, as far as a configuration needs it: plain values, no key twice, and few aliases."""

from __future__ import annotations

import functools
from typing import Any, Final

from ..errors import ConfigError

__all__ = ["read_yaml"]

MOST_ALIASES: Final = 100
MOST_MERGED: Final = 100_000

_TEXT: Final = "tag:yaml.org,2002:str"
_WORD: Final = "tag:yaml.org,2002:bool"
"""What YAML takes `on` for, which is an option of ours, and `no`, which may be a name: as a key it is a text."""

_KEYS: Final = (_TEXT, _WORD, "tag:yaml.org,2002:merge")
"""What a key may be."""


def read_yaml(text: str) -> Any:
    """Return what a YAML document holds.

    Raises:
        ConfigError: PyYAML is not installed.
        ValueError: It is not YAML, holds tags of other languages, a value that is not what its tag says, a key twice or one
            that is no text, or more than a hundred aliases; the message says where, and nothing of what stands there.
    """
    try:
        import yaml  # noqa: PLC0415  # an extra
    except ImportError:
        missing = ConfigError(
            "a configuration in YAML needs PyYAML: pip install 'aiclient[yaml]', or write JSON or TOML"
        )
    else:
        problem: str
        try:
            return yaml.load(text, Loader=_loader())  # noqa: S506  # a SafeLoader
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
            problem = f"{_words(error)}{where}"
        except RecursionError:
            problem = "it is nested too deeply"
        raise ValueError(problem)
    raise missing


def _words(error: Any) -> str:
    """Return what is wrong, without the value that YAML's own messages may quote."""
    said = str(getattr(error, "problem", "") or "")
    ours = ("a key is given twice", "it has more than", "a key must be", "a value cannot be")
    if said.startswith(ours):
        return said
    if said.startswith("could not determine a constructor"):
        return "it has a tag that is no plain value"
    return "it is not YAML"


@functools.cache
def _loader() -> Any:
    """Build the loader: PyYAML's safe one, held to what a configuration is."""
    import yaml  # noqa: PLC0415  # as above

    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types here
        aliases = merged = 0

        def construct_object(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002  # PyYAML's own signature
            try:
                return super().construct_object(node, deep)
            except (ValueError, LookupError, AttributeError, TypeError, OverflowError):
                pass  # `!!int x`, `!!bool x`, the 99th of a month: what is said of them quotes them
            problem = "a value cannot be read as what it is written as"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                self.aliases += 1
                if self.aliases > MOST_ALIASES:
                    mark = self.peek_event().start_mark
                    raise yaml.MarkedYAMLError(None, None, f"it has more than {MOST_ALIASES} aliases", mark)
            return super().compose_node(parent, index)

        def flatten_mapping(self, node: Any) -> None:  # older PyYAML lets each level grow; inner ones come first
            super().flatten_mapping(node)
            self.merged += len(node.value)
            if self.merged > MOST_MERGED:
                raise yaml.constructor.ConstructorError(
                    None, None, "it has more than enough merged keys", node.start_mark
                )

        def compose_mapping_node(self, anchor: Any) -> Any:
            node = super().compose_mapping_node(anchor)
            seen: set[str] = set()
            for key, _ in node.value:  # now, before keys of others are merged in
                if not isinstance(key, yaml.ScalarNode):
                    raise yaml.constructor.ConstructorError(None, None, "a key must be a text", key.start_mark)
                if key.tag not in _KEYS:  # YAML takes 1 and null for other things
                    problem = "a key must be a text: write it in quotes"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                if key.value in seen and key.value != "<<":
                    raise yaml.constructor.ConstructorError(None, None, "a key is given twice", key.start_mark)
                seen.add(key.value)
                if key.tag == _WORD:
                    key.tag = _TEXT
            return node

    return Loader

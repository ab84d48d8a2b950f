"""A module imports only from lower floors (DESIGN, section 2)."""

from __future__ import annotations

import ast
import functools
from fnmatch import fnmatch
from pathlib import Path

import pytest

import aiclient

ROOT = Path(aiclient.__file__).parent
BLOCKS = (ast.stmt, ast.ExceptHandler, ast.match_case)
"""What holds statements."""

FLOORS = [
    # 0: what stands on nothing of ours
    {
        "_lazy",
        "clock",
        "schema.dialects",
        "schema.docstrings",
        "errors",
        "forks",
        "jsontext",
        "schema.lowered_parts",
        "partialjson",
        "schema.refs",
        "secrets",
        "net.addresses",
        "sniffing",
    },
    {"schema.bounds", "schema.jsonvalues", "logs", "schema.misfits", "redaction", "schema.limits"},
    {"_sinks", "schema.lowering", "schema.members", "worker"},
    {"", "records"},  # the package itself holds lazy names and the version
    # 1, 2: values
    {"decoding", "gate", "net.places", "parts", "ledger.money", "ledger.periods", "vectors"},
    {"messages"},
    {"context", "fields", "ledger.limits", "turns"},
    {"ledger.balance"},
    {"options"},
    {"media", "request", "response", "template"},
    {"prices.expenses", "prompts", "settings"},
    {"bulk.items", "bulk.journal"},
    # 3: streams
    {"abilities", "chunks", "ends", "prices.rates"},
    {"stream", "tools.runs"},
    {"opening", "tools.stream"},
    # 4: the core
    {"provider"},
    {"layer"},
    {"composition", "prices.names", "statuses", "store"},
    {"ledger.rows", "ledger.shelf"},
    {"ledger.books"},
    {"ledger.store_books"},
    # 5: what layers and clients need to know
    {"schema.jsontypes", "models", "schema.signatures", "tokenizers", "testutil._exchange", "testutil.clock"},
    {"schema.schema", "tokens", "schema.unions"},
    {"schema.structure"},
    {"tools.functions", "prices.genai", "prices.given", "prices.reported"},
    {"testutil._wire", "testutil.faults", "testutil.fixtures", "testutil.mock"},
    {"prices.books"},
    {"prices.charges", "pricing"},
    {"bulk.lines", "dryrun", "history"},
    {"conversation", "session.rows"},
    {"session.summary"},
    {"attempt", "ledger.ledger"},
    # 6: wires; pure, from framing to codecs
    {
        "wire",
        "wire.anthropic_facts",
        "wire.choices",
        "wire.codec",
        "wire.complaints",
        "wire.counts",
        "wire.eventstream",
        "wire.floats",
        "wire.gemini_citations",
        "wire.headers",
        "wire.jsonarray",
        "wire.jsonlines",
        "wire.jsons",
        "wire.notes",
        "wire.sigv4",
        "wire.sse",
        "wire.toolids",
    },
    {
        "wire.amazon",
        "wire.anthropic_usage",
        "wire.efforts",
        "wire.cohere_parts",
        "wire.converse_usage",
        "wire.gemini_usage",
        "wire.history",
        "wire.openai_parts",
        "wire.openai_usage",
    },
    {"wire.profiles"},
    {
        "wire.schemas",
        "wire.failures",
        "wire.gemini_parts",
        "wire.gemini_thinking",
        "wire.openai_media",
        "wire.toolcalls",
    },
    {"wire.openai_messages"},
    {
        "wire.anthropic_blocks",
        "wire.anthropic_thinking",
        "wire.converse_facts",
        "wire.converse_media",
        "wire.cohere_messages",
        "wire.gemini_contents",
        "wire.ollama_stream",
        "wire.openai_answer",
        "wire.openai_choice",
    },
    {
        "wire.anthropic_answer",
        "wire.anthropic_messages",
        "wire.anthropic_options",
        "wire.converse_blocks",
        "wire.converse_thinking",
        "wire.cohere_embeddings",
        "wire.cohere_models",
        "wire.cohere_stream",
        "wire.gemini_answer",
        "wire.openai_chat_stream",
        "wire.openai_models",
        "wire.responses_decode",
    },
    {
        "wire.anthropic_events",
        "wire.anthropic_history",
        "wire.openai_history",
        "wire.anthropic_models",
        "wire.converse_decode",
        "wire.converse_messages",
        "wire.converse_options",
        "wire.cohere",
        "wire.gemini_stream",
        "wire.responses_assembly",
        "wire.responses_items",
    },
    {"wire.converse_parts"},
    {
        "wire.anthropic_stream",
        "wire.converse_stream",
        "wire.gemini",
        "wire.ollama",
        "wire.openai_chat",
        "wire.responses_stream",
    },
    {
        "wire.anthropic",
        "wire.converse",
        "wire.gemini_embeddings",
        "wire.gemini_tokens",
        "wire.openai_embeddings",
        "wire.responses",
    },
    # 7: the network, and files
    {"_sqlite_file"},
    {
        "net.connections",
        "credentials",
        "keyforms",
        "net.errors",
        "net.logs",
        "sqlite_store",
        "net.transport",
    },
    {"_redis_server", "net.exchange"},
    {"http", "redis_store"},
    {"fetching"},
    # 8: the leaves and the layers
    {
        "middleware._arms",
        "middleware._caller",
        "middleware._circuit",
        "middleware._conventions",
        "middleware._credit",
        "middleware._flight",
        "middleware._keyed",
        "middleware._metric_window",
        "middleware._pace",
        "middleware._selection",
        "middleware._window",
    },
    {"middleware._line", "middleware._targets", "middleware._trace_attributes"},
    {
        "middleware._*",
        "providers._aws",
        "providers._endpoint",
        "providers._google",
        "providers._health",
        "providers._source",
        "providers.services",
    },
    {"middleware._budget_bill", "middleware._budget_reach", "middleware._cache_call", "providers._sender"},
    {"middleware._budget_call"},
    {"providers._http"},
    {"middleware", "middleware.*", "providers", "providers.*"},
    # 9: what is written over Provider
    {
        "bulk.mapping",
        "bulk.memory",
        "checks",
        "explain",
        "inflight",
        "interchange",
        "order",
        "output",
        "plugins",
        "surveys",
        "tools.use",
        "testutil._http1",
        "testutil._turns",
    },
    {"registry"},
    {
        "bulk.runs",
        "chains",
        "priority",
        "tools.loop",
        "testutil._anthropic",
        "testutil._bedrock",
        "testutil._cohere",
        "testutil._connection",
        "testutil._gemini",
        "testutil._ollama",
        "testutil._openai",
    },
    {"fluent"},
    {"builder", "testutil._mistral", "testutil._responses", "testutil._service"},
    {"config", "config.references"},
    {"config.forms"},
    {"config.timing"},
    {"config.environment", "config.signatures"},
    {"config.parts"},
    {"config.shape"},
    {"config.describing", "config.dotenv", "config.making", "config.problems", "config.yamlfile"},
    {"config.model"},
    {"config.entries", "config.presets", "config.sources"},
    {"config.overlay"},
    {"config.loading", "config.watching"},
    {"session.book", "session.record", "testutil.contract", "testutil.record", "testutil.server"},
    {"session.chain", "session.options"},
    {"session.state"},
    {"session.view"},
    {"session.session"},
    # 10, 11, 12: the clients, and what people type
    {"stack"},
    {"client"},
    {"sync.loopthread"},
    {"sync.bulk", "sync.run", "sync.stream"},
    {"sync.session"},
    {"sync.client"},
    {"cli.arguments.shared", "cli.answers", "cli.terminal", "cli.whom", "testutil"},
    {"cli.arguments.*", "cli.asking", "cli.tables"},
    {"cli.arguments", "cli.commands"},
    {"cli.*"},
    {"cli", "testutil.plugin"},
    {"__main__"},
]


def dotted(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").removesuffix(".")


MODULES = {dotted(path): path for path in ROOT.rglob("*.py")}


@functools.cache
def floor(module):
    """The floor of `module` (dotted, without the package's own name); its own name wins, then the longest pattern."""
    listed = [(name, level) for level, names in enumerate(FLOORS) for name in names if fnmatch(module, name)]
    if not listed:
        raise LookupError(f"{module!r} has no floor: add it to FLOORS")
    return max(listed, key=lambda pair: (pair[0] == module, len(pair[0])))[1]


def named(node, path, module):
    """Modules of the package that one relative import names."""
    here = module.split(".") if module else []
    if path.name != "__init__.py":
        here = here[:-1]
    base = here[: len(here) - (node.level - 1)] + (node.module.split(".") if node.module else [])
    for alias in node.names:
        name = ".".join([*base, alias.name])
        yield name if name in MODULES else ".".join(base)


@functools.cache
def imports(path):
    """The import statements of a file, each with when it runs: "at once", "late" (in a function) or "never" (for types)."""
    found, todo = [], [("at once", node) for node in ast.parse(path.read_text(encoding="utf-8")).body]
    while todo:
        when, node = todo.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.append((when, node))
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += [("never", child) for child in node.body] + [(when, child) for child in node.orelse]
        else:
            late = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and when == "at once"
            inner = [child for child in ast.iter_child_nodes(node) if isinstance(child, BLOCKS)]
            todo += [("late" if late else when, child) for child in inner]
    return found


def runtime_imports(path, module):
    """Modules of the package that `path` imports when it is imported (not under TYPE_CHECKING, not inside functions)."""
    for when, node in imports(path):
        if when == "at once" and isinstance(node, ast.ImportFrom) and node.level:
            yield from named(node, path, module)


def all_imports(path, module):
    """Every module of the package that `path` names, late imports included, those for the type checker alone left out."""
    for when, node in imports(path):
        if when != "never" and isinstance(node, ast.ImportFrom) and node.level:
            yield from named(node, path, module)


def outside(path):
    """Top names of the absolute imports of a file."""
    for _, node in imports(path):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]


def found(search, folder=""):
    """What `search` finds in each module of a folder, where it finds something."""
    named_there = {module: set(search(module)) for module in MODULES if module.startswith(folder)}
    assert named_there
    return {module: names for module, names in named_there.items() if names}


def reached(module):
    return set(all_imports(MODULES[module], module))


def test_a_module_imports_only_from_lower_floors():
    def above(module):
        return {other for other in runtime_imports(MODULES[module], module) if floor(other) >= floor(module)}

    assert found(above) == {}


def test_a_module_names_its_own_package_relatively():
    assert found(lambda module: {"aiclient"} & set(outside(MODULES[module]))) == {}


def test_a_middleware_knows_neither_transports_nor_wires_nor_providers_nor_other_middleware():
    def foreign(module):
        return {n for n in reached(module) if floor(n) >= floor("wire") and not n.startswith("middleware._")}

    assert found(foreign, "middleware.") == {}


def test_a_provider_knows_no_other_provider_and_no_middleware():
    def foreign(module):
        allowed = ("providers._", "providers.services")
        return {n for n in reached(module) if n.startswith(("providers.", "middleware")) and not n.startswith(allowed)}

    assert found(foreign, "providers.") == {}


def test_a_wire_is_pure():
    def impure(module):
        higher = {name for name in reached(module) if floor(name) > floor("opening") and not name.startswith("wire")}
        world = {"os", "time", "asyncio", "socket", "random", "httpx"} & set(outside(MODULES[module]))
        return higher | world | reached(module) & {"clock", "gate", "logs", "stream", "opening"}

    assert found(impure, "wire.") == {}


def test_one_module_knows_the_http_library():
    assert {module for module, path in MODULES.items() if {"httpx", "httpcore"} & set(outside(path))} <= {"http"}


def test_every_name_of_the_floors_stands_on_one_floor_only():
    names = [name for floor_names in FLOORS for name in floor_names]
    assert len(names) == len(set(names))


def test_a_module_without_a_floor_is_refused_by_name():
    with pytest.raises(LookupError, match="'utils' has no floor: add it to FLOORS"):
        floor("utils")


@pytest.mark.parametrize(
    ("source", "named_there"),
    [
        ("from .errors import X", {"errors"}),
        ("from . import errors", {"errors"}),
        ("from ..aiclient import X", set()),
        ("if TYPE_CHECKING:\n    from .client import X\nelse:\n    from .errors import X", {"errors"}),
        ("try:\n    from .errors import X\nexcept ImportError:\n    pass", {"errors"}),
        ("try:\n    pass\nexcept ImportError:\n    from .errors import X", {"errors"}),
        ("class A:\n    from .errors import X", {"errors"}),
        ("def f():\n    from .client import X", set()),
        ("import httpx\nfrom httpx import X", set()),
    ],
    ids=["module", "package", "above", "type-checking", "try", "except", "class", "function", "foreign"],
)
def test_the_reader_of_imports_sees_what_runs_at_import(tmp_path, source, named_there):
    path = tmp_path / "fake.py"
    path.write_text(source, encoding="utf-8")
    assert {name for name in runtime_imports(path, "fake") if name in MODULES and name} == named_there

"""The public names: sorted, complete, loaded when used, and labelled with the package they are used from."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import aiclient

PACKAGES = ["aiclient", "aiclient.config", "aiclient.middleware", "aiclient.providers", "aiclient.testutil"]
HIDDEN = {"aiclient": {"TimeoutError"}}
"""Names that can be used and stand in no `__all__`, because a star import must not shadow a builtin."""


def where(package):
    """The table from which a package loads its names."""
    return next(value for name, value in vars(package).items() if name in ("_WHERE", "_MODULES"))


@pytest.fixture(params=PACKAGES)
def package(request):
    return importlib.import_module(request.param)


def test_all_is_sorted_and_names_nothing_twice(package):
    assert package.__all__ == sorted(set(package.__all__))


def test_all_and_the_table_of_lazy_names_agree(package):
    assert set(where(package)) == set(package.__all__) | HIDDEN.get(package.__name__, set())


def test_every_name_can_be_loaded(package):
    for name in where(package):
        assert getattr(package, name) is not None


def test_every_name_is_listed_by_dir(package):
    assert set(where(package)) <= set(dir(package))


def test_classes_and_functions_are_labelled_with_the_public_package(package):
    for name in where(package):
        value = getattr(package, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__module__ == package.__name__, name


def test_a_label_leads_back_to_the_value(package):
    """What pickle and documentation rely on."""
    for name in where(package):
        value = getattr(package, name)
        if inspect.isclass(value):
            assert getattr(importlib.import_module(value.__module__), value.__qualname__) is value


def test_no_lazy_name_equals_a_submodule(package):
    """Or the name would mean one thing before the submodule is imported and another after."""
    submodules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert set(where(package)) & submodules == set()


def test_an_unknown_name_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'nothing'"):
        _ = package.nothing


def test_every_error_of_the_tree_is_exported():
    from aiclient import errors

    tree = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert tree <= set(where(aiclient))


def test_a_star_import_shadows_no_builtin():
    import builtins

    assert set(aiclient.__all__) & set(vars(builtins)) == set()


def test_the_type_checker_sees_the_same_names_from_the_same_modules(package):
    """What editors complete from: the package's stub, or its imports under TYPE_CHECKING."""
    source = Path(package.__file__)
    stub = source.with_suffix(".pyi")
    tree = ast.parse((stub if stub.exists() else source).read_text(encoding="utf-8"))
    seen = {
        alias.asname or alias.name: f".{node.module}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }
    assert {name: module for name, module in seen.items() if name in where(package)} == dict(where(package))


@pytest.mark.parametrize("name", PACKAGES)
def test_a_name_stays_the_same_when_submodules_are_imported_first(name):
    """In a fresh interpreter: import every submodule, then look every name up."""
    code = (
        "import importlib, pkgutil, sys\n"
        f"package = importlib.import_module({name!r})\n"
        "for module in pkgutil.iter_modules(package.__path__):\n"
        "    if module.name in set(table := getattr(package, '_WHERE', None) or package._MODULES):\n"
        "        sys.exit(module.name)\n"
        "for entry in table: getattr(package, entry)\n"
        "assert all(entry in vars(package) for entry in table)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

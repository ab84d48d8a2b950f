"""Nothing secret is shown, nothing bad is taken over, nothing that stays loses its state, and no package takes a name."""

BAD = "tests/config/test_bad_files.py"
CONFIG = "tests/config/test_config.py::"
FILES = "tests/config/test_files.py::"
RELOAD = "tests/config/test_reload.py::"

SABOTAGE = [
    ("config/forms.py", "discreet(why, value)) for", "why) for", BAD),
    ("config/making.py", 'discreet(error.message, {**named, "": positional})', "error.message", BAD),
    (
        "config/making.py",
        "left.pop(0) if left else make()",
        "make()",
        RELOAD + "test_layers_that_are_said_alike_keep_their_state",
    ),
    (
        "config/making.py",
        "left.pop(0) if left else make()",
        "left[0] if left else make()",
        RELOAD + "test_of_two_that_are_alike_each_keeps_its_place",
    ),
    (
        "stack.py",
        "            made.validate_config()\n",
        "            pass\n",
        RELOAD + "test_a_bad_configuration_changes_nothing",
    ),
    (
        "client.py",
        "            await release_all(() if self._setup is None else self._setup.stores)\n",
        "            pass\n",
        RELOAD + "test_a_store_of_the_configuration_is_closed_when_it_is_no_longer_there",
    ),
    (
        "config/entries.py",
        "return inline and not any(name in self.config.options for name in _ADDRESSES)",
        "return inline",
        CONFIG + "test_the_vendors_variable_goes_before_a_key_that_stands_in_a_file_for_the_vendors_own_address",
    ),
    (
        "config/dotenv.py",
        "{**_variables(text, str(path)), **given}",
        "{**given, **_variables(text, str(path))}",
        CONFIG + "test_a_file_of_variables_never_goes_before_one_that_is_set",
    ),
    (
        "config/model.py",
        "outsized(given) or problems_in(given)",
        "problems_in(given)",
        FILES + "test_a_dict_that_holds_itself_is_refused",
    ),
    ("config/yamlfile.py", "                if self.aliases > MOST_ALIASES:", "                if False:", BAD),
    (
        "config/yamlfile.py",
        "except (ValueError, LookupError, AttributeError, TypeError, OverflowError):",
        "except ZeroDivisionError:",
        BAD,
    ),
    (
        "config/references.py",
        r"(?:(?!\$\{)[^}])*",
        "[^}]*",
        FILES + "test_a_variable_that_is_not_set_or_none_is_an_error",
    ),
    (
        "config/yamlfile.py",
        "                    key.tag = _TEXT",
        "                    pass",
        "tests/config/test_full_example.py::test_a_word_that_yaml_takes_for_true_or_false_is_a_text_where_it_is_a_key",
    ),
    (
        "config/yamlfile.py",
        "class Loader(yaml.SafeLoader):",
        "class Loader(yaml.UnsafeLoader):",
        FILES + "test_a_tag_makes_no_object",
    ),
    (
        "plugins.py",
        "(taken or name in self._registered) and not replace",
        "False",
        "tests/test_registry.py::test_a_name_that_is_taken_is_refused_unless_it_is_to_be_replaced",
    ),
    (
        "config/watching.py",
        "            await uninterrupted(asyncio.wait((task,)))",
        "            try:\n                await task\n            except asyncio.CancelledError:\n                pass",
        "tests/config/test_watching.py::test_a_caller_that_is_cancelled_while_it_leaves_the_block_is_told_so",
    ),
]

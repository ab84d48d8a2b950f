"""Media: what it is is told by the bytes, no text is a path, and only files are read."""

MEDIA = "media.py"
HERE = "tests/test_media.py::"

SABOTAGE = [
    (
        MEDIA,
        "    if not stat.S_ISREG(mode):\n",
        "    if stat.S_ISDIR(mode):\n",
        HERE + "test_what_is_no_file_is_refused_at_once_and_by_its_path[a device]",
    ),
    (
        MEDIA,
        "    if _ALIASES.get(said, said) not in (found, fits):\n",
        "    if False:\n",
        HERE + "test_bytes_that_are_something_else_are_refused_with_what_to_do",
    ),
    (
        MEDIA,
        "told not in MARKED and ",
        "",
        HERE + "test_of_a_text_the_name_says_what_kind",
    ),
    (
        MEDIA,
        "    if len(body) > 4 * max_bytes + 4:",
        "    if False:",
        HERE + "test_a_data_url_is_not_decoded_when_it_is_too_long",
    ),
]

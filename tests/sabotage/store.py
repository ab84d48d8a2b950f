"""Stores keep their limits, lose nothing between threads and processes, and touch no file that is not theirs."""

STORE = "tests/test_store.py::"
SQLITE = "tests/test_sqlite_store.py::"

SABOTAGE = [
    (
        "store.py",
        "            self._entries.move_to_end(key)\n",
        "",
        STORE + "test_the_least_recently_used_entries_make_room[memory]",
    ),
    (
        "store.py",
        " or self._bytes > self._max_bytes",
        "",
        STORE + "test_bytes_are_limited_like_entries[memory]",
    ),
    (
        "store.py",
        "            if now >= self._entries[old].expires:\n                self._drop(old)\n",
        "            pass\n",
        STORE + "test_dead_entries_do_not_pile_up",
    ),
    (
        "store.py",
        "        if size > self._max_bytes:\n            return False\n",
        "",
        STORE + "test_a_value_larger_than_the_store_is_not_kept[memory]",
    ),
    (
        "store.py",
        "!= expected:\n                return False\n",
        "!= expected:\n                pass\n",
        STORE + "test_swap_changes_only_what_is_as_expected",
    ),
    (
        "_sqlite_file.py",
        "!= expected:\n                return False\n",
        "!= expected:\n                pass\n",
        STORE + "test_swap_changes_only_what_is_as_expected",
    ),
    (
        "_sqlite_file.py",
        '    db.execute("BEGIN IMMEDIATE")\n',
        '    db.execute("BEGIN")\n',
        SQLITE + "test_swap_does_not_look_while_another_process_writes",
    ),
    (
        "_sqlite_file.py",
        "os.O_EXCL, 0o600",
        "os.O_EXCL, 0o644",
        SQLITE + "test_the_file_is_made_when_it_is_needed_and_is_its_owners_alone",
    ),
    (
        "_sqlite_file.py",
        ", stored=ANY_TIME)",
        ")",
        SQLITE + "test_a_sum_that_was_swapped_in_holds_though_the_clock_is_set_back",
    ),
    (
        "_sqlite_file.py",
        "AND stored <= ? AND",
        "AND ? AND",
        SQLITE + "test_an_entry_from_the_future_is_gone",
    ),
    (
        "_sqlite_file.py",
        "        if kind != APPLICATION:\n",
        "        if False:\n",
        SQLITE + "test_another_programs_database_is_refused_and_left_alone",
    ),
    (
        "_sqlite_file.py",
        "        if version != VERSION:\n",
        "        if False:\n",
        SQLITE + "test_another_version_is_refused_and_left_alone",
    ),
    (
        "_sqlite_file.py",
        "                if not is_busy(error):\n                    self._let_go()\n",
        "                pass\n",
        SQLITE + "test_a_connection_that_failed_is_not_used_again",
    ),
    (
        "_sqlite_file.py",
        "                    if not is_busy(error):\n                        raise\n",
        "                    raise\n",
        SQLITE + "test_a_read_does_not_fail_for_the_note_that_it_was_one",
    ),
    (
        "_sqlite_file.py",
        '"secure_delete = ON"',
        '"secure_delete = OFF"',
        SQLITE + "test_removed_values_are_not_left_in_the_file",
    ),
    (
        "_sqlite_file.py",
        "        self._make_room(db)\n",
        "",
        STORE + "test_the_least_recently_used_entries_make_room[sqlite]",
    ),
    (
        "_sqlite_file.py",
        "        self._lock.acquire()\n        self._let_go()\n",
        "        self._lock.acquire()\n",
        SQLITE + "test_no_connection_goes_through_a_fork",
    ),
    (
        "sqlite_store.py",
        "            self._pool = None  # its thread stayed behind\n",
        "            pass\n",
        SQLITE + "test_a_store_works_on_both_sides_of_a_fork",
    ),
    (
        "sqlite_store.py",
        "        weakref.finalize(self, self._file.close)",
        "        weakref.finalize(self, int)",
        SQLITE + "test_a_store_that_is_dropped_lets_go_of_its_file",
    ),
]

"""The store on a server: no answer is another call's, one step is one step, and nothing is kept that nobody can remove."""

REDIS = "tests/test_redis_store.py::"

SABOTAGE = [
    (
        "_redis_server.py",
        "again\n                connection.close()\n                raise\n            pool.give",
        "again\n                pool.give(connection, self._clock.monotonic())\n                raise\n            pool.give",
        REDIS + "test_a_cancelled_call_closes_its_connection",
    ),
    (
        "_redis_server.py",
        "                if not await _is_over(line):\n",
        "                if True:\n",
        REDIS + "test_a_connection_on_which_something_else_came_is_not_used_again",
    ),
    (
        "_redis_server.py",
        "    for _ in range(2):  # turns",
        "    for _ in range(0):  # turns",
        REDIS + "test_a_server_that_was_restarted_is_sent_the_script_once",
    ),
    (
        "_redis_server.py",
        '        if kind != "corrupt":',
        "        if True:",
        REDIS + "test_what_is_wrong_with_a_key_says_nothing_about_the_server",
    ),
    (
        "_redis_server.py",
        "                self._until = now + OFF  # this",
        "                pass  # this",
        REDIS + "test_a_server_that_keeps_failing_is_left_alone_and_then_tried_by_one",
    ),
    (
        "_redis_server.py",
        '"ssl_check_hostname": True',
        '"ssl_check_hostname": False',
        REDIS + "test_tls_is_used_and_the_certificate_is_checked",
    ),
    (
        "redis_store.py",
        "redis.call('SET', KEYS[1], '') -- a script",
        "-- a script",
        REDIS + "test_a_server_without_room_keeps_what_it_has_and_says_so",
    ),
    (
        "redis_store.py",
        "  if redis.pcall('HEXISTS', KEYS[i], ARGV[1]) == 1 then",
        "  if true then",
        REDIS + "test_a_list_of_a_tag_that_names_what_bears_it_no_more_removes_nothing",
    ),
    (
        "redis_store.py",
        're.sub(rb"([*?\\[\\]\\\\])", rb"\\\\\\1", self._key("v", prefix))',
        'self._key("v", prefix)',
        REDIS + "test_signs_of_patterns_are_names_like_others",
    ),
    (
        "config/references.py",
        "(owner, name) in _ADDRESSES or",
        "",
        "tests/config/test_config.py::test_the_address_of_a_server_is_a_secret_as_it_may_hold_a_password",
    ),
]

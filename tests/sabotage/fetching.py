"""Fetching media: only from public addresses, by the address that was checked, a few times, within size and time."""

FETCHING = "fetching.py"
ADDRESSES = "net/addresses.py"
HERE = "tests/test_fetching.py::"

SABOTAGE = [
    (
        FETCHING,
        "            reason = None if self._allowed(address) else refusal(address)\n",
        "            reason = None\n",
        HERE + "test_a_name_with_one_address_that_is_not_public_is_not_connected_to_at_all",
    ),
    (
        FETCHING,
        "                Place(place.scheme, address, place.port, place.path).url,\n",
        "                place.url,\n",
        HERE + "test_a_name_is_looked_up_once_and_the_address_that_was_checked_is_gone_to",
    ),
    (
        "http.py",
        '{"sni_hostname": call.server_name}',
        "{}",
        HERE + "test_name_and_host_are_kept_though_the_connection_goes_to_an_address",
    ),
    (
        FETCHING,
        "            finally:\n                exchange.abort()\n",
        "            finally:\n                pass\n",
        HERE + "test_an_error_that_is_kept_holds_no_connection",
    ),
    (
        FETCHING,
        "for _ in range(REDIRECTS + 1):",
        "for _ in range(REDIRECTS + 2):",
        HERE + "test_a_fourth_is_not",
    ),
    (
        ADDRESSES,
        "    if found not in _PUBLIC_V6:\n",
        "    if False:\n",
        "tests/net/test_addresses.py::test_no_ipv4_address_is_let_through_in_the_disguise_of_ipv6",
    ),
    (
        "net/places.py",
        '    if "@" in parts.netloc:\n',
        "    if False:\n",
        "tests/net/test_places.py::test_what_may_not_be_fetched_from_is_refused[https://user@a.test/]",
    ),
    (
        "http.py",
        'if call.server_name is None else f"{target.origin} as {call.server_name}"',
        "",
        "tests/test_http.py::test_a_connection_made_under_one_name_is_not_used_for_another",
    ),
    (
        "middleware/fetch_media.py",
        "        if not wanted or (request.context is not None and request.context.dry_run):\n",
        "        if not wanted:\n",
        "tests/middleware/test_fetch_media.py::test_a_dry_run_fetches_nothing",
    ),
]

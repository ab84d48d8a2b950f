"""Which addresses are public; everything else is refused, in every spelling."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.net.addresses import is_address, refusal

REFUSED = """
0.0.0.0 0.1.2.3 10.0.0.0 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.0.0.53 127.255.255.255
168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.0.192 192.0.2.1
192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 224.0.0.251 239.255.255.250
240.0.0.1 255.255.255.255 192.31.196.1 192.52.193.1 192.175.48.1
:: ::1 ::2 ::127.0.0.1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:8.8.8.8 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1
64:ff9b::1 64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1 100::1 2001::1 2001:0:7f00:1:: 2001:2::1 2001:10::1 2001:20::1
2001:db8::1 2002:7f00:1:: 2002:a9fe:a9fe:: 2002:808:808:: 2620:4f:8000::1 3fff::1 3fff:fff::1 4000::1 5f00::1 fc00::1
fd00:ec2::254 fd12:3456::1 fe80::1 fe80::1%eth0 2606:4700::1111%eth0 febf::1 fec0::1 ff01::1 ff02::1 ff0e::1
""".split()

SPELT_OTHERWISE = """
127.1 0x7f.1 0x7f000001 2130706433 017700000001 0177.0.0.1 127.0.0.1. 127.0.0.01 localhost [::1] ::ffff:127.1 1.1.1 1.1.1.1.1
256.1.1.1 ::g 1.1.1.1/32 ①②⑦.0.0.1
""".split()

PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 168.63.129.15 168.63.129.17
169.253.255.255 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 198.17.255.255 198.20.0.0 223.255.255.255
2606:4700:4700::1111 2001:4860:4860::8888 2001:200::1 2003::1 2a00:1450::1 3ffe::1
""".split()


def test_there_are_at_least_sixty_that_must_be_refused():
    assert len(set(REFUSED + SPELT_OTHERWISE)) >= 60


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_not_public_is_refused_with_its_reason(address):
    assert refusal(address)
    assert refusal(address.upper())


@pytest.mark.parametrize("text", [*SPELT_OTHERWISE, "", " 127.0.0.1", "127.0.0.1\n", "127.0.0.1\x00"])
def test_what_is_not_exactly_an_address_is_refused_as_none(text):
    assert (refusal(text), is_address(text)) == ("no address", False)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_not_refused(address):
    assert refusal(address) is None
    assert is_address(address)


@given(st.ip_addresses())
def test_nothing_is_let_through_that_python_does_not_hold_for_global(address):
    assert refusal(str(address)) is not None or (address.is_global and not address.is_multicast)


@given(st.ip_addresses(v=4), st.sampled_from(["::", "::ffff:", "::ffff:0:", "64:ff9b::", "64:ff9b:1::"]))
def test_no_ipv4_address_is_let_through_in_the_disguise_of_ipv6(address, prefix):
    assert refusal(f"{prefix}{address}") is not None


@given(st.ip_addresses(v=4))
def test_no_tunnel_to_ipv4_is_let_through(address):
    number = int(address)
    six_to_four = ipaddress.IPv6Address((0x2002 << 112) | (number << 80))
    teredo = ipaddress.IPv6Address((0x20010000 << 96) | (number << 64) | (number ^ 0xFFFFFFFF))
    assert [refusal(str(tunnel)) is not None for tunnel in (six_to_four, teredo)] == [True, True]

"""Which addresses are public, by the registries of IANA; and which of them an operator allows all the same."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_address, ip_network

import pytest

from imgsrv.web.sources.addresses import REFUSED_4, parse_networks, refusal

REFUSED = (
    "0.0.0.0",  # noqa: S104  nothing is bound
    *("0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255"),
    *("127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.0.1", "169.254.169.254", "169.254.170.2"),
    *("172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1"),
    *("198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250"),
    *("240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::2", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8"),
    *("::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254"),
    *("64:ff9b:1::8.8.8.8", "64:ff9b:1:ffff::1", "100::1", "100:0:0:1::1"),
    *("2001::1", "2001:0:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1", "2001:20::1"),
    *("2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "2002:808:808::1", "3fff::1", "5f00::1", "4000::1"),
    *("2606:4700::5efe:127.0.0.1", "2606:4700::200:5efe:10.0.0.1"),
    *("fc00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1", "ff0e::1"),
)

PUBLIC = (
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"),
    *("128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255"),
    *("192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"),
    *("2606:4700:4700::1111", "2a00:1450:4001::1", "64:ff9b::8.8.8.8", "2001:4860:4860::8888"),
)


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert refusal(address) is not None


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_not_refused(address: str) -> None:
    assert refusal(address) is None


@pytest.mark.parametrize("text", REFUSED_4)
def test_a_refused_network_is_refused_from_its_first_to_its_last_address(text: str) -> None:
    network = IPv4Network(text)

    assert refusal(str(network[0])) == refusal(str(network[-1])) == REFUSED_4[text]


@pytest.mark.parametrize("address", [address for address in PUBLIC if not address.startswith("64:ff9b")])
def test_python_knows_the_public_ones_as_global(address: str) -> None:
    assert ip_address(address).is_global


def test_the_operator_may_allow_networks() -> None:
    allowed = parse_networks("10.1.0.0/16, fd00::/8")

    assert refusal("10.1.2.3", allowed) is None
    assert refusal("fd00::1", allowed) is None
    assert refusal("64:ff9b::10.1.2.3", allowed) is None
    assert refusal("10.2.0.1", allowed) is not None
    assert refusal("::ffff:10.1.2.3", allowed) is not None


def test_a_list_of_networks_is_read() -> None:
    assert parse_networks("") == ()
    assert parse_networks("127.0.0.1, ::1") == (ip_network("127.0.0.1"), ip_network("::1"))

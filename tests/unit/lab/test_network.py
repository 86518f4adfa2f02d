"""Choice of subnet, addresses, names."""

from ipaddress import IPv4Address, IPv4Network
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from kprov.lab.docker import Docker
from kprov.lab.network import MAX_CONTROL_PLANES, MAX_WORKERS, RANGES, Network, bridge_name, free_subnets, make_network


def first(used: list[str]) -> str:
    return str(next(free_subnets(map(IPv4Network, used))))


def test_first_lab_gets_the_first_subnet() -> None:
    assert first(["172.17.0.0/16", "192.0.2.0/24"]) == "172.30.0.0/24"


def test_second_lab_gets_the_next_subnet() -> None:
    assert first(["172.30.0.0/24"]) == "172.30.1.0/24"


def test_a_gap_is_filled() -> None:
    assert first(["172.30.0.0/24", "172.30.2.0/24"]) == "172.30.1.0/24"


def test_a_route_inside_a_subnet_takes_it() -> None:
    assert first(["172.30.0.128/25"]) == "172.30.1.0/24"


def test_the_second_range_serves_when_the_first_is_routed_elsewhere() -> None:
    assert first(["172.16.0.0/12"]) == "10.213.0.0/24"


def test_nothing_is_free_when_everything_is_routed() -> None:
    assert list(free_subnets([IPv4Network("172.16.0.0/12"), IPv4Network("10.0.0.0/8")])) == []


@given(st.lists(st.tuples(st.sampled_from(RANGES), st.integers(16, 30), st.integers(0, 2**16 - 1)), max_size=8))
def test_what_is_offered_overlaps_nothing_that_is_used(draws: list[tuple[IPv4Network, int, int]]) -> None:
    used = [IPv4Network((int(base[0]) + offset, prefix), strict=False) for base, prefix, offset in draws]
    for subnet in islice(free_subnets(used), 20):
        assert subnet.prefixlen == 24
        assert not any(subnet.overlaps(other) for other in used)


def test_addresses_of_a_full_lab_are_distinct_and_inside() -> None:
    network = Network("kprov-demo", "kp-demo", IPv4Network("172.30.7.0/24"), online=False)
    addresses = [network.gateway, network.virtual_address]
    addresses += [network.control_plane(number) for number in range(1, MAX_CONTROL_PLANES + 1)]
    addresses += [network.worker(number) for number in range(1, MAX_WORKERS + 1)]

    assert len(set(addresses)) == len(addresses)
    assert all(address in network.subnet for address in addresses)
    assert network.subnet.broadcast_address not in addresses
    assert network.control_plane(1) == IPv4Address("172.30.7.11")
    assert network.worker(1) == IPv4Address("172.30.7.101")


def test_bridge_names_fit_an_interface_and_stay_apart() -> None:
    long = ["a-very-long-name-of-a-lab-one", "a-very-long-name-of-a-lab-two"]

    assert bridge_name("demo") == "kp-demo"
    assert all(len(bridge_name(name)) <= 15 for name in long)
    assert bridge_name(long[0]) != bridge_name(long[1])


class Engine(Docker):
    """An engine where another lab takes the first subnet between our look and our call."""

    def run(self, *arguments: str, stdin: bytes | None = None, seconds: float = 0) -> str:
        from kprov.errors import LabError

        if arguments[:2] == ("network", "create") and "172.30.0.0/24" in arguments:
            raise LabError("Pool overlaps with other one on this address space")
        return ""


def test_a_subnet_lost_to_another_lab_is_not_an_error() -> None:
    network = make_network(Engine("docker", "0"), "demo", online=False, routes=[])

    assert network.subnet == IPv4Network("172.30.1.0/24")

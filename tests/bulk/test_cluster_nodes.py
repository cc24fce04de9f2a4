"""Which nodes of a cluster are given pictures, asked and left out, by a clock of the test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from imgsrv.bulk.cluster.nodes import DOUBT_S, PICTURES, SILENT_S, SIZE_S, Node, Nodes


@dataclass
class Machines:
    """What a cluster says of its nodes, and the time."""

    cores: dict[str, float] = field(default_factory=lambda: {"a": 1, "b": 2})
    dead: set[str] = field(default_factory=set)
    now: float = 100.0

    def listed(self) -> list[dict[str, Any]]:
        return [
            {
                "NodeID": name * 56,
                "Alive": name not in self.dead,
                "NodeManagerAddress": "10.0.0.1",
                "Resources": {"CPU": cores} if cores else {"GPU": 1.0},
            }
            for name, cores in self.cores.items()
        ]


@pytest.fixture
def machines() -> Machines:
    return Machines()


@pytest.fixture
def nodes(machines: Machines) -> Nodes:
    found = Nodes(machines.listed, lambda: machines.now)
    found.look()
    return found


def node_of(nodes: Nodes, name: str) -> Node:
    (found,) = [node for node in nodes if node.identity.startswith(name)]
    return found


def filled(nodes: Nodes) -> list[str]:
    """Give tasks until no node takes one; the nodes in their order."""
    found = []
    while node := nodes.free():
        nodes.give(node)
        found.append(node.identity[0])
    return found


def test_a_node_has_a_task_for_each_core_and_a_queue_once_something_has_come_from_it(nodes: Nodes) -> None:
    assert sorted(filled(nodes)) == ["a", "b", "b"]

    nodes.hear(node_of(nodes, "b"))

    assert filled(nodes) == ["b", "b"]
    assert nodes.places == 1 + 4


def test_nodes_without_a_whole_core_are_none(machines: Machines) -> None:
    machines.cores |= {"c": 0, "d": 0.5}
    nodes = Nodes(machines.listed, lambda: machines.now)
    nodes.look()

    assert [node.name for node in nodes] == ["10.0.0.1/aaaaaaaa", "10.0.0.1/bbbbbbbb"]


def test_a_node_that_is_gone_is_told_once_and_one_that_joins_is_taken(machines: Machines, nodes: Nodes) -> None:
    machines.dead.add("a")
    machines.cores["c"] = 4
    assert nodes.look() is None, "it was asked a moment ago"

    machines.now += SIZE_S

    assert [node.identity[0] for node in nodes.look() or ()] == ["a"]
    assert filled(nodes).count("c") == 4
    machines.now += SIZE_S
    assert nodes.look() == []


def test_a_silent_node_is_asked_then_left_out_and_used_again_when_it_answers(machines: Machines, nodes: Nodes) -> None:
    node = node_of(nodes, "a")
    nodes.give(node)
    machines.now += DOUBT_S
    (asked,) = nodes.to_ask(0.1)
    assert asked is node
    nodes.ask(node)
    assert nodes.to_ask(0.1) == [], "one question at a time"

    machines.now += SILENT_S - 1
    assert nodes.fallen_silent() == []
    machines.now += 1

    assert nodes.fallen_silent() == [(node, DOUBT_S + SILENT_S)]
    node.held = 0
    assert nodes.fallen_silent() == [], "once"
    assert "a" not in filled(nodes)
    nodes.answer(node, is_lost=False)
    assert filled(nodes) == ["a"]


def test_a_slow_node_that_answers_is_not_left_out_and_asked_less_and_less(machines: Machines, nodes: Nodes) -> None:
    node = node_of(nodes, "a")
    nodes.give(node)
    times = list[float]()
    while len(times) < 4:
        machines.now += 1
        for asked in nodes.to_ask(4.0):
            nodes.ask(asked)
            times.append(machines.now - 100)
            nodes.answer(asked, is_lost=False)
        assert nodes.fallen_silent() == []

    first = PICTURES * 4.0
    assert times == [first, first * 3, first * 7, first * 15]
    nodes.hear(node)
    machines.now += first
    assert nodes.to_ask(4.0) == [node]


def test_a_node_whose_task_was_lost_gets_no_other_until_it_answers(machines: Machines, nodes: Nodes) -> None:
    node = node_of(nodes, "a")
    nodes.doubt(node)
    assert filled(nodes) == ["b", "b"]
    assert nodes.to_ask(1.0) == [node]
    nodes.ask(node)

    nodes.answer(node, is_lost=True)

    assert nodes.to_ask(1.0) == []
    machines.now += SIZE_S
    assert nodes.to_ask(1.0) == [node], "a lost question is asked again"
    nodes.ask(node)
    nodes.answer(node, is_lost=False)
    assert filled(nodes) == ["a"]

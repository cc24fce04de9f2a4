"""An ideal queue, simulated: first in, first out, with given arrivals and service times.

All times are in seconds.  Arrivals are in order.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def single_queue(arrivals: Iterable[float], services: Iterable[float], servers: int) -> list[float]:
    """From arrival to end of service, for one queue that whichever server is free takes from."""
    free_at = [0.0] * servers
    sojourns = []
    for arrival, service in zip(arrivals, services, strict=True):
        end = max(arrival, free_at[0]) + service
        heapq.heapreplace(free_at, end)
        sojourns.append(end - arrival)
    return sojourns


def separate_queues(
    arrivals: Iterable[float], services: Iterable[float], chosen: Iterable[int], servers: int
) -> list[float]:
    """The same for a queue before each server.  chosen: the server that each request goes to."""
    free_at = [0.0] * servers
    sojourns = []
    for arrival, service, server in zip(arrivals, services, chosen, strict=True):
        free_at[server] = max(arrival, free_at[server]) + service
        sojourns.append(free_at[server] - arrival)
    return sojourns


@dataclass(frozen=True)
class Replay:
    """The requests of a run in the order of their arrival, to be served again by queues in theory.

    beside: what each takes beside its service, wherever it waits.  connections: the number of each one's connection.
    """

    arrivals: Sequence[float]
    services: Sequence[float]
    beside: Sequence[float]
    connections: Sequence[int]
    servers: int

    def ideal(self) -> list[float]:
        """The latencies with one queue."""
        return self._latencies(single_queue(self.arrivals, self.services, self.servers))

    def separate(self, draw: int) -> list[float]:
        """The latencies with a queue for each server, every connection drawn to one of them and staying there."""
        generator = random.Random(draw)  # noqa: S311  no secret
        homes = [generator.randrange(self.servers) for _ in range(max(self.connections) + 1)]
        return self._separate([homes[connection] for connection in self.connections])

    def separate_anew(self, draw: int) -> list[float]:
        """The latencies with a queue for each server, every request drawn to one of them by itself."""
        generator = random.Random(draw)  # noqa: S311  no secret
        return self._separate([generator.randrange(self.servers) for _ in self.arrivals])

    def _separate(self, chosen: Sequence[int]) -> list[float]:
        return self._latencies(separate_queues(self.arrivals, self.services, chosen, self.servers))

    def _latencies(self, sojourns: Iterable[float]) -> list[float]:
        return [sojourn + beside for sojourn, beside in zip(sojourns, self.beside, strict=True)]

"""Finds the loops of a graph (Tarjan 1972)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def components_of(following: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Yield the strongly connected components of a graph, each after those that it leads to.

    Args:
        following: the nodes that each node leads to.
    """
    order: dict[int, int] = {}
    lowest: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    for start in range(len(following)):
        if start in order:
            continue
        work = [(start, iter(following[start]))]
        order[start] = lowest[start] = len(order)
        stack.append(start)
        on_stack.add(start)
        while work:
            node, rest = work[-1]
            for to in rest:
                if to not in order:
                    order[to] = lowest[to] = len(order)
                    stack.append(to)
                    on_stack.add(to)
                    work.append((to, iter(following[to])))
                    break
                if to in on_stack:
                    lowest[node] = min(lowest[node], order[to])
            else:
                work.pop()
                if work:
                    lowest[work[-1][0]] = min(lowest[work[-1][0]], lowest[node])
                if lowest[node] == order[node]:
                    cut = stack.index(node)
                    component = stack[cut:]
                    del stack[cut:]
                    on_stack.difference_update(component)
                    yield component

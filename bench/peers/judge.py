"""What replies prove about a limiter. Pure functions of them."""

from __future__ import annotations

from bisect import bisect_left

from bench.peers.clients import Reply


def most_in_a_window(replies: list[Reply], seconds: float) -> int:
    """The most requests that were admitted within any stretch of time of this length, as far as that is certain.

    A request was admitted at some moment between its sending and its reply. So it is in a window for certain if both are. What
    a limiter is blamed for here it has done; of what it has done something may be missing.
    """
    admitted = sorted((one.sent, one.received) for one in replies if one.admitted)
    most = 0
    for number, (begin, _) in enumerate(admitted):
        inside = (received < begin + seconds for _, received in admitted[number : _end(admitted, begin + seconds)])
        most = max(most, sum(inside))
    return most


def _end(admitted: list[tuple[float, float]], moment: float) -> int:
    return bisect_left(admitted, (moment, moment))


def admitted_after(replies: list[Reply], moment: float) -> int:
    """How many requests that were sent since then were admitted."""
    return sum(one.admitted and one.sent >= moment for one in replies)

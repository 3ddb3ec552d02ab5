"""Every decision and every Retry-After, against Django REST framework's own throttle."""

import math
import random
import subprocess
from collections import deque
from fractions import Fraction
from pathlib import Path

import django
import pytest
from django.conf import settings

settings.configure(CACHES={"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}})
django.setup()

from rest_framework.throttling import SimpleRateThrottle  # noqa: E402  (needs the settings)

ROOT = Path(__file__).resolve().parents[2]
TRACES = 1500
PERIODS = {"s": 1, "min": 60, "h": 3600}
SECOND = 1_000_000


class Throttle(SimpleRateThrottle):
    """DRF's throttle, on a clock and a cache that the test holds."""

    def __init__(self, rate, cache):
        self.rate = rate
        self.cache = cache
        self.now = 0
        self.timer = lambda: Fraction(self.now, SECOND)
        super().__init__()

    def get_cache_key(self, request, view):
        return request

    def judge(self, micros, client):
        """None if DRF admits the request at this time, else its wait in seconds."""
        self.now = micros
        return None if self.allow_request(client, None) else self.wait()


class Cache(dict):
    """What DRF asks of a cache. Nothing expires here: DRF itself drops what is too old."""

    def set(self, key, value, _timeout):
        self[key] = value


def traces(seed):
    """Traces of a few clients at one rate: steady, in bursts, and exactly at the window's edges."""
    rng = random.Random(seed)
    for _ in range(TRACES):
        period = rng.choice(list(PERIODS))
        quota = rng.choice([1, 2, 3, 5, 10, 30, 60, 64, 65, 100, 300])
        window = PERIODS[period] * SECOND
        clients = [f"192.0.2.{number}" for number in range(1 if quota > 64 else rng.randint(1, 3))]
        gap = max(1, window * rng.choice([1, 2, 3]) // (2 * quota))
        now, live, requests = rng.randrange(10 * SECOND, 10**12), deque(), []
        for _ in range(rng.randint(quota, min(3 * quota, 700)) + 10):
            kind = rng.random()
            if kind < 0.3:
                now += rng.randrange(0, max(2, gap // 50))
            elif kind < 0.8:
                now += rng.randrange(0, 2 * gap)
            elif kind < 0.82:
                now += rng.randrange(0, window)
            elif len(live) >= quota:
                # One window after an earlier request: to the microsecond, or one off.
                now = max(now, live[0] + window + rng.choice([-1, 0, 0, 0, 1]))
            live.append(now)
            while live[0] + window < now:
                live.popleft()
            requests.append((now, rng.choice(clients)))
        yield f"{quota}/{period}", quota, window, requests


@pytest.fixture(scope="module")
def judged():
    """All traces, each with Tollgate's answers: None for admitted, else wait (µs) and Retry-After."""
    cases = list(traces(seed=20))
    lines = [f"{rate} " + " ".join(f"{at}:{who}" for at, who in requests) for rate, _, _, requests in cases]
    command = ["cargo", "run", "--quiet", "--locked", "--example", "trace"]
    done = subprocess.run(command, cwd=ROOT, input="\n".join(lines), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answers = [
        [None if word == "ok" else tuple(map(int, word.split(":"))) for word in line.split()]
        for line in done.stdout.splitlines()
    ]
    assert [len(line) for line in answers] == [len(requests) for *_, requests in cases]
    return [(*case, answer) for case, answer in zip(cases, answers)]


def test_up_to_64_every_decision_and_every_retry_after_is_drf_s(judged):
    denials = ties = 0
    for rate, quota, window, requests, answers in judged:
        if quota > 64:
            continue
        cache = Cache()
        throttle = Throttle(rate, cache)
        for (now, client), answer in zip(requests, answers):
            ties += any(at * SECOND + window == now for at in cache.get(client, []))
            wait = throttle.judge(now, client)
            if wait is None:
                assert answer is None, (rate, now, client)
            else:
                # DRF divides by 1.0, which makes a float of it.
                assert answer == (round(wait * SECOND), math.ceil(wait)), (rate, now, client)
                denials += 1
    assert denials > 2_000 and ties > 1_000, "the traces try what they should"


def test_above_64_never_before_drf_and_at_most_a_64th_of_the_window_after(judged):
    late = 0
    for rate, quota, window, requests, answers in judged:
        if quota <= 64:
            continue
        cache, admitted = Cache(), []
        throttle = Throttle(rate, cache)
        for (now, client), answer in zip(requests, answers):
            # Both have admitted the same so far: what DRF alone admits is taken back below.
            wait = throttle.judge(now, client)
            if answer is None:
                assert wait is None, (rate, now, client)
                admitted.append(now)
            elif wait is None:
                used = [at for at in admitted if at + window + window // 64 > now]
                assert len(used) >= quota, (rate, now, client)
                cache[client].pop(0)
                late += 1
            else:
                assert 0 <= answer[0] - round(wait * SECOND) <= window // 64, (rate, now, client)
    assert late > 100, "the traces try what they should"

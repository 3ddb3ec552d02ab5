"""The one job that all limiters of `scripts/bench peers` are given: so many requests in so many seconds for each client address."""

QUOTA = 10
WINDOW = 10  # seconds; short, since it is real time that passes
PLENTY = 1_000_000  # a quota that nobody uses up, to measure what counting costs

# Each limiter is there twice, by the last part of its path.
QUOTAS = {"quota": QUOTA, "plenty": PLENTY}

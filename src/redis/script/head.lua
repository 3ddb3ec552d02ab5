-- What both scripts begin with: the one that charges (charge.lua) and the one that operators ask (console.lua). script.rs joins them.
--
-- It decides exactly as the counters inside the proxy do (src/limit/, src/store/table.rs: the reasons stand there), but on the
-- clock of Redis.
--
-- Times and spans are in microseconds. A mark is the time by which a charge is given back. `broken` counts values that nobody wrote
-- here. All numbers are whole and below 2^53, where a double is exact; the amounts of a bucket, which are not, are split in two.
--
-- A key holds all counters of one client, packed by cmsgpack as { proved until, counter, counter, … }. A counter is
--   { id, 0, quota, window, units, marks }                    a sliding window: its marks, and the units of all of them
--   { id, 1, quota, window, burst, at, from, levels, log }    a token bucket: when the levels were true, since when its log is kept,
--                                                             for each level quota, burst, and as whole + part / window what was
--                                                             missing at `at`, and at `from`; and the marks of the log
-- Of a change of this, command.rs changes the version that stands in the names of keys.

local MARK, MARK_SIZE = '>I7I4', 11 -- when, and how many units
local SECOND = 1000000
local EXACT_QUOTA = 64 -- up to here each admission has a mark of its own
local MAX_LEVELS, MAX_MARKS = 4, 64 -- of a bucket
local LATEST = 2 ^ 52 -- no time is later, no span longer

local clock = redis.call('TIME')
local now = clock[1] * SECOND + clock[2]
local broken = 0

-- a * b / d as quotient and remainder, exactly, for a and d below 2^42 and b below 2^50.
local function scaled(a, b, d)
  local quotient, rest = 0, 0
  for place = 4, 0, -1 do
    local digit = math.floor(b / 1024 ^ place) % 1024
    local sum = rest * 1024 + a * digit
    rest = math.fmod(sum, d)
    quotient = quotient * 1024 + (sum - rest) / d
  end
  return quotient, rest
end

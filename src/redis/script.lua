-- Charges a request, all of its charges or none; or settles what is left to do when it is answered.
--
-- It decides exactly as the counters inside the proxy do (src/limit/, src/store/table.rs: the reasons stand there), but on the
-- clock of Redis. command.rs writes what it reads, and answer.rs reads what it returns.
--
--   KEYS                                      the clients; where there is a proof, the first is its client
--   ARGV  'charge' LASTS CHARGES [CHARGES]    what to charge if the proof is known, and if not; a single list is charged anyway
--       → { now, whether it is known, for how long, broken, then for each charge: admitted, remaining or wait, reset, mark }
--   ARGV  'settle' LASTS BACK                 a proof to note, and what to give back
--       → { now, whether the proof is known, for how long, broken }
--         (what is to stay if the proof is new is given back only if it was known already)
--
-- Times and spans are in microseconds, LASTS too: 0 where there is no proof. A mark is the time by which a charge is given back, and
-- 0 if nothing was taken. `broken` counts values that nobody wrote here. All numbers are whole and below 2^53, where a double is
-- exact; the amounts of a bucket, which are not, are split in two.
--
-- A key holds all counters of one client, packed by cmsgpack as { proved until, counter, counter, … }. A counter is
--   { id, 0, quota, window, units, marks }                    a sliding window: its marks, and the units of all of them
--   { id, 1, quota, window, burst, at, from, levels, log }    a token bucket: when the levels were true, since when its log is kept,
--                                                             for each level quota, burst, and as whole + part / window what was
--                                                             missing at `at`, and at `from`; and the marks of the log
-- Of a change of this, command.rs changes the version that stands in the names of keys.

local MARK, MARK_SIZE = '>I7I4', 11 -- when, and how many units
local CHARGE, CHARGE_SIZE = '>I2I4I4I4I4I4I2B', 25 -- key, id, quota, window in seconds, burst (0: a window), cost, scope, enforced
local BACK, BACK_SIZE = '>I2I4I7I4B', 18 -- key, id, mark, cost, stays if the proof is new
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

-- -- sliding windows -----------------------------------------------------------------------------------------------------------

local window = {}

function window.new(limit)
  return { kind = 0, limit = limit, units = 0, marks = '' }
end

local function is_expired(at, limit)
  return at + limit.window <= now
end

-- More than a window ahead: the clock was set back.
local function is_ahead(at, limit)
  return at > now + limit.window + limit.window / EXACT_QUOTA
end

local function newest(counter)
  if counter.marks == '' then return nil end
  local at = struct.unpack(MARK, counter.marks, #counter.marks - MARK_SIZE + 1)
  return at
end

-- The same counter with the units that `change` makes of each mark's time and units.
local function changed(counter, change)
  local marks, units = {}, 0
  for place = 1, #counter.marks, MARK_SIZE do
    local at, count = struct.unpack(MARK, counter.marks, place)
    count = change(at, count)
    if count > 0 then
      marks[#marks + 1] = struct.pack(MARK, at, count)
      units = units + count
    end
  end
  return { kind = 0, limit = counter.limit, units = units, marks = table.concat(marks) }
end

-- The same counter without the marks that do not count. It is looked for once: the time stands still.
local function live(counter)
  if counter.live then return counter.live end
  local limit, last, kept = counter.limit, newest(counter), counter
  if not last or is_expired(last, limit) then
    kept = window.new(limit)
  else
    if is_ahead(last, limit) then
      kept = changed(counter, function(at, count) return is_ahead(at, limit) and 0 or count end)
    end
    local marks, place, units = kept.marks, 1, kept.units
    while place <= #marks do
      local at, count = struct.unpack(MARK, marks, place)
      if not is_expired(at, limit) then break end
      place, units = place + MARK_SIZE, units - count
    end
    if place > 1 then kept = { kind = 0, limit = limit, units = units, marks = string.sub(marks, place) } end
  end
  if kept.marks == '' then kept = window.new(limit) end
  counter.live = kept
  return kept
end

-- The time that units taken now are marked with.
local function next_mark(counter)
  local rounded = math.ceil(now / counter.limit.step) * counter.limit.step
  return math.max(rounded, newest(counter) or 0)
end

function window.check(counter, cost)
  local kept, limit = live(counter), counter.limit
  local wanted = kept.units + cost
  if wanted <= limit.quota then
    local oldest = kept.marks == '' and next_mark(kept) or struct.unpack(MARK, kept.marks)
    return true, limit.quota - wanted, oldest + limit.window - now
  end
  local missing = wanted - limit.quota
  for place = 1, #kept.marks, MARK_SIZE do
    local at, count = struct.unpack(MARK, kept.marks, place)
    missing = missing - count
    if missing <= 0 then return false, at + limit.window - now, 0 end
  end
  return false, limit.window, 0
end

function window.take(counter, cost)
  local kept = live(counter)
  local at, marks, count = next_mark(kept), kept.marks, 0
  if newest(kept) == at then
    local _, units = struct.unpack(MARK, marks, #marks - MARK_SIZE + 1)
    marks, count = string.sub(marks, 1, -MARK_SIZE - 1), units
  end
  counter.units, counter.marks, counter.live = kept.units + cost, marks .. struct.pack(MARK, at, count + cost), counter
  return at
end

-- Returns whether there was anything left of it.
function window.give_back(counter, mark, cost)
  local left = changed(counter, function(at, count) return at == mark and count - cost or count end)
  local is_changed = left.units ~= counter.units
  counter.units, counter.marks, counter.live = left.units, left.marks, nil
  return is_changed
end

-- Until when it matters.
function window.matters(counter)
  local last = newest(live(counter))
  return last and last + counter.limit.window or 0
end

-- -- token buckets ---------------------------------------------------------------------------------------------------------------

local bucket = {}

function bucket.new(limit)
  return { kind = 1, limit = limit, at = 0, from = 0, levels = {}, log = {} }
end

-- What flows in within a span, as whole units and a part.
local function inflow(level, span)
  local windows = math.floor(span / level.window)
  local whole, part = scaled(span - windows * level.window, level.quota, level.window)
  return whole + windows * level.quota, part
end

-- How long until an amount has flowed in, rounded up.
local function inflow_time(level, whole, part)
  local windows = math.floor(whole / level.quota)
  local span, rest = scaled(whole - windows * level.quota, level.window, level.quota)
  return math.min(windows * level.window + span + math.ceil((rest + part) / level.quota), LATEST)
end

-- An amount less another one, but not less than nothing.
local function less(level, whole, part, by_whole, by_part)
  whole, part = whole - by_whole, part - by_part
  if part < 0 then whole, part = whole - 1, part + level.window end
  if whole < 0 then return 0, 0 end
  return whole, part
end

-- What is left of an amount that was missing, after a span.
local function pass(level, whole, part, span)
  if whole == 0 and part == 0 then return 0, 0 end
  return less(level, whole, part, inflow(level, span))
end

-- What is missing once these units are taken, too. A bucket is not emptied below nothing.
local function emptied(level, whole, part, units)
  if whole >= level.burst then return whole, part end
  if whole + units + (part > 0 and 1 or 0) > level.burst then return level.burst, 0 end
  return whole + units, part
end

local function is_far_ahead(counter)
  return counter.at > now + counter.limit.window
end

local function missing_of(counter, level)
  if is_far_ahead(counter) then return 0, 0 end
  return pass(level, level.whole, level.part, math.max(now - counter.at, 0))
end

-- What such a level misses, by its base and the log.
local function replay(counter, level)
  local whole, part, from = level.base_whole, level.base_part, counter.from
  for _, mark in ipairs(counter.log) do
    whole, part = pass(level, whole, part, mark.at - from)
    whole, part = emptied(level, whole, part, mark.units)
    from = mark.at
  end
  return pass(level, whole, part, counter.at - from)
end

local function place_of(counter)
  for place, level in ipairs(counter.levels) do
    if level.quota == counter.limit.quota then return place end
  end
end

-- The level of the counter's limit. For a rate that is new here, or that was used with a smaller burst, it is made by the log: before
-- that began, a new one is taken to have missed as much as any.
local function level_of(counter)
  local limit, place = counter.limit, place_of(counter)
  local known = place and counter.levels[place]
  if known and known.burst >= limit.burst then return known end
  local level = { quota = limit.quota, window = limit.window, burst = limit.burst, base_whole = 0, base_part = 0 }
  for _, other in ipairs(known and { known } or counter.levels) do
    local whole, part = other.base_whole, other.base_part
    if whole >= limit.burst then whole, part = limit.burst, 0 end
    if whole > level.base_whole or (whole == level.base_whole and part > level.base_part) then
      level.base_whole, level.base_part = whole, part
    end
  end
  level.whole, level.part = replay(counter, level)
  return level
end

local function forget_if_full(counter)
  for _, level in ipairs(counter.levels) do
    if level.whole > 0 or level.part > 0 then return false end
  end
  counter.from, counter.levels, counter.log = counter.at, {}, {}
  return true
end

local function flow(counter)
  if is_far_ahead(counter) then counter.at, counter.from, counter.levels, counter.log = 0, 0, {}, {} end
  local span = math.max(now - counter.at, 0)
  for _, level in ipairs(counter.levels) do
    level.whole, level.part = pass(level, level.whole, level.part, span)
  end
  counter.at = math.max(counter.at, now)
  if forget_if_full(counter) then counter.at, counter.from = now, now end
end

function bucket.check(counter, cost)
  local limit, level = counter.limit, level_of(counter)
  local whole, part = missing_of(counter, level)
  local over = whole + cost - limit.burst
  if over < 0 and part > 0 then return true, -over - 1, inflow_time(level, 0, part) end
  if over <= 0 and part == 0 then return true, -over, inflow_time(level, 1, 0) end
  if cost > limit.burst then return false, limit.window, 0 end
  return false, inflow_time(level, over, part), 0
end

-- Notes in the log what is taken.
local function note(counter, cost)
  local limit, log, at = counter.limit, counter.log, counter.at
  local step, last = limit.burst <= EXACT_QUOTA and 1 or limit.window / MAX_MARKS, log[#log]
  if last and (last.at == at or (last.at > counter.from and math.floor(last.at / step) == math.floor(at / step))) then
    last.at, last.units = at, math.min(last.units + cost, 2 ^ 32 - 1)
  else
    log[#log + 1] = { at = at, units = cost }
  end
  if #log > MAX_MARKS then
    local oldest = table.remove(log, 1)
    for _, level in ipairs(counter.levels) do
      local whole, part = pass(level, level.base_whole, level.base_part, oldest.at - counter.from)
      level.base_whole, level.base_part = emptied(level, whole, part, oldest.units)
    end
    counter.from = oldest.at
  end
end

function bucket.take(counter, cost)
  flow(counter)
  local place, level = place_of(counter), level_of(counter)
  if place then table.remove(counter.levels, place) end
  table.insert(counter.levels, 1, level)
  counter.levels[MAX_LEVELS + 1] = nil
  if #counter.log == 0 then
    counter.from = counter.at
    for _, other in ipairs(counter.levels) do other.base_whole, other.base_part = other.whole, other.part end
  end
  for _, other in ipairs(counter.levels) do
    other.whole, other.part = emptied(other, other.whole, other.part, cost)
  end
  note(counter, cost)
  return counter.at
end

function bucket.give_back(counter, taken, cost)
  flow(counter)
  local place
  for number, mark in ipairs(counter.log) do
    if mark.at >= taken then place = number break end
  end
  local mark = place and counter.log[place]
  if mark and (taken > counter.from or mark.at == taken) then
    mark.units = math.max(mark.units - cost, 0)
    if mark.units == 0 then table.remove(counter.log, place) end
  else
    -- Older than the log: what has flowed in up to there may have made up for it.
    for _, level in ipairs(counter.levels) do
      local whole, part = pass(level, cost, 0, math.max(counter.from - taken, 0))
      level.base_whole, level.base_part = less(level, level.base_whole, level.base_part, whole, part)
    end
  end
  for _, level in ipairs(counter.levels) do
    level.whole, level.part = replay(counter, level)
  end
  forget_if_full(counter)
  return true
end

function bucket.matters(counter)
  local latest = 0
  for _, level in ipairs(counter.levels) do
    local whole, part = missing_of(counter, level)
    if whole > 0 or part > 0 then
      latest = math.max(latest, math.min(math.max(counter.at, now) + inflow_time(level, whole, part), LATEST))
    end
  end
  return latest
end

-- -- clients ---------------------------------------------------------------------------------------------------------------------

local algorithms = { [0] = window, [1] = bucket }
local records = {}

local function limit_of(quota, span, burst)
  return { quota = quota, window = span, burst = burst, step = quota <= EXACT_QUOTA and 1 or span / EXACT_QUOTA }
end

local function is_number(value)
  return type(value) == 'number' and value >= 0 and value < LATEST and value % 1 == 0
end

local function check_that(holds)
  if not holds then error('not written here') end
end

local function read_marks(packed, latest)
  check_that(type(packed) == 'string' and #packed % MARK_SIZE == 0)
  local marks = {}
  for place = 1, #packed, MARK_SIZE do
    local at, units = struct.unpack(MARK, packed, place)
    check_that(at >= (marks[1] and marks[#marks].at or 0) and at <= latest)
    marks[#marks + 1] = { at = at, units = units }
  end
  return marks
end

local LEVEL = 6 -- numbers

local function read_levels(packed, span)
  check_that(type(packed) == 'table' and #packed % LEVEL == 0 and #packed <= LEVEL * MAX_LEVELS)
  for _, number in ipairs(packed) do check_that(is_number(number)) end
  local levels = {}
  for place = 1, #packed, LEVEL do
    local quota, burst, whole, part, base_whole, base_part = unpack(packed, place, place + LEVEL - 1)
    check_that(quota > 0 and part < span and base_part < span)
    levels[#levels + 1] = {
      quota = quota, window = span, burst = burst, whole = whole, part = part, base_whole = base_whole, base_part = base_part,
    }
  end
  return levels
end

local function read_counter(packed)
  local kind, quota, span = packed[2], packed[3], packed[4]
  check_that(is_number(packed[1]) and is_number(quota) and is_number(span) and span >= SECOND and is_number(packed[5]))
  if kind == 0 then
    check_that(type(packed[6]) == 'string' and #packed[6] % MARK_SIZE == 0)
    return { kind = 0, limit = limit_of(quota, span), units = packed[5], marks = packed[6] }
  end
  local at, from = packed[6], packed[7]
  check_that(kind == 1 and quota > 0 and is_number(at) and is_number(from) and from <= at)
  local log = read_marks(packed[9], at)
  check_that(#log <= MAX_MARKS and (#log == 0 or log[1].at >= from))
  local levels = read_levels(packed[8], span)
  return { kind = 1, limit = limit_of(quota, span, packed[5]), at = at, from = from, levels = levels, log = log }
end

local function read(value)
  local packed = cmsgpack.unpack(value)
  check_that(is_number(packed[1]))
  local record = { proved = packed[1], counters = {} }
  for place = 2, #packed do record.counters[packed[place][1]] = read_counter(packed[place]) end
  return record
end

-- What is known of a client. A value that was not written here counts as none, and gives way when something is to be written.
local function client(key)
  if records[key] then return records[key] end
  local value, is_fine, record = redis.pcall('GET', KEYS[key])
  if type(value) == 'string' then
    is_fine, record = pcall(read, value)
  elseif value and not string.find(value.err, 'WRONGTYPE', 1, true) then
    error(value.err)
  end
  if value and not is_fine then broken = broken + 1 end
  if not is_fine then record = { proved = 0, counters = {} } end
  records[key] = record
  return record
end

local function write_levels(levels)
  local packed = {}
  for _, level in ipairs(levels) do
    local place = #packed
    packed[place + 1], packed[place + 2], packed[place + 3] = level.quota, level.burst, level.whole
    packed[place + 4], packed[place + 5], packed[place + 6] = level.part, level.base_whole, level.base_part
  end
  return packed
end

local function write_marks(marks)
  local packed = {}
  for place, mark in ipairs(marks) do packed[place] = struct.pack(MARK, mark.at, mark.units) end
  return table.concat(packed)
end

local function write(key, record)
  local latest = record.proved > now and record.proved or 0
  local packed = { 0 }
  for id, counter in pairs(record.counters) do
    local until_when, limit = algorithms[counter.kind].matters(counter), counter.limit
    if until_when > now then
      latest = math.max(latest, until_when)
      local head = { id, counter.kind, limit.quota, limit.window }
      if counter.kind == 0 then
        head[5], head[6] = counter.units, counter.marks
      else
        head[5], head[6], head[7] = limit.burst, counter.at, counter.from
        head[8], head[9] = write_levels(counter.levels), write_marks(counter.log)
      end
      packed[#packed + 1] = head
    end
  end
  if latest > now then
    packed[1] = record.proved > now and record.proved or 0
    -- Redis counts from the whole millisecond in which the script began.
    redis.call('SET', KEYS[key], cmsgpack.pack(packed), 'PX', math.ceil((latest - now) / 1000) + 2)
  else
    redis.call('DEL', KEYS[key])
  end
end

local function write_changed()
  for key, record in pairs(records) do
    if record.is_changed then write(key, record) end
  end
end

-- -- charges ---------------------------------------------------------------------------------------------------------------------

local function read_charges(packed)
  local charges = {}
  for place = 1, #packed, CHARGE_SIZE do
    local key, id, quota, seconds, burst, cost, scope, enforced = struct.unpack(CHARGE, packed, place)
    charges[#charges + 1] = {
      key = key, id = id, kind = burst == 0 and 0 or 1, limit = limit_of(quota, seconds * SECOND, burst),
      cost = cost, scope = scope, is_enforced = enforced == 1,
    }
  end
  return charges
end

-- The counter that a charge is for, judged by the limit of the charge.
local function counter_of(charge)
  local counters = client(charge.key).counters
  local counter = counters[charge.id]
  -- An id is a hash: another limit may share it, by a chance of one in four billion.
  if not counter or counter.kind ~= charge.kind or counter.limit.window ~= charge.limit.window then
    counter = algorithms[charge.kind].new(charge.limit)
    counters[charge.id] = counter
  end
  counter.limit, counter.live = charge.limit, nil
  return counter
end

local function check(charge)
  charge.counter = counter_of(charge)
  return algorithms[charge.kind].check(charge.counter, charge.cost)
end

-- Takes a charge that was checked.
local function take(charge)
  local mark = algorithms[charge.kind].take(charge.counter, charge.cost)
  client(charge.key).is_changed = true
  return mark
end

-- What is known of the proof of the first client: whether it counts, and for how long.
local function proof(lasts)
  local left = lasts > 0 and math.max(client(1).proved - now, 0) or 0
  return left > 0 and 1 or 0, left
end

local function charge(lasts, proved, unproved)
  local is_known, left = proof(lasts)
  local charges = read_charges((is_known == 1 or not unproved) and proved or unproved)
  local is_denied, is_over = false, {}
  for _, charge in ipairs(charges) do
    charge.is_admitted, charge.tells, charge.reset = check(charge)
    charge.group = charge.scope * 65536 + charge.key
    if not charge.is_admitted then
      is_denied, is_over[charge.group] = is_denied or charge.is_enforced, true
    end
  end
  -- A place is kept for what is known only at the end.
  local answer = { now, is_known, left, 0 }
  for _, charge in ipairs(charges) do
    -- A shadow scope that is over one of its limits is not charged.
    local is_taken = not is_denied and (charge.is_enforced or not is_over[charge.group])
    local place = #answer
    answer[place + 1], answer[place + 2] = charge.is_admitted and 1 or 0, charge.tells
    answer[place + 3], answer[place + 4] = charge.reset, is_taken and take(charge) or 0
  end
  write_changed()
  answer[4] = broken
  return answer
end

local function settle(lasts, back)
  local is_new = lasts > 0 and client(1).proved <= now
  if lasts > 0 and now + lasts > client(1).proved then
    client(1).proved, client(1).is_changed = now + lasts, true
  end
  for place = 1, #back, BACK_SIZE do
    local key, id, mark, cost, stays_if_new = struct.unpack(BACK, back, place)
    local record = client(key)
    local counter = record.counters[id]
    local stays = stays_if_new == 1 and is_new
    if counter and not stays and algorithms[counter.kind].give_back(counter, mark, cost) then record.is_changed = true end
  end
  write_changed()
  local is_known, lasts_for = proof(lasts)
  return { now, is_known, lasts_for, broken }
end

local what = ARGV[1] == 'charge' and charge or settle
return what(tonumber(ARGV[2]), ARGV[3], ARGV[4])

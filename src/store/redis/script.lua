-- Charges a request, all of its charges or none; or settles what is left to do when its response has come.
--
-- It decides exactly as the counters inside the proxy do (src/window.rs, src/bucket.rs, src/store/table.rs: the reasons stand
-- there), but on the clock of Redis. command.rs writes what it reads, and answer.rs reads what it returns.
--
--   KEYS                                      the clients; where there is a proof, the first is its client
--   ARGV  'charge' LASTS CHARGES [CHARGES]    what to charge if the proof is known, and if not; a single list is charged anyway
--       → { now, whether it is known, for how long, broken, then for each charge: admitted, remaining or wait, reset, mark }
--   ARGV  'settle' LASTS DUE BACK BACK        a proof, what to charge as far as it fits, what to give back, and what if all fitted
--       → { now, whether all fitted, for how long the proof is known, broken }
--
-- Times and spans are in microseconds, LASTS too: 0 where there is no proof. A mark is the time by which a charge is given back, and
-- 0 if nothing was taken. `broken` counts values that nobody wrote here. All numbers are whole and below 2^53, where a double is
-- exact; the amounts of a bucket, which are not, are split in two.
--
-- A key holds all counters of one client, packed by cmsgpack as { proved until, counter, counter, … }. A counter is
--   { id, 0, quota, window, units, marks }           a sliding window: its marks, and the units of all of them
--   { id, 1, quota, window, at, whole, part }        a token bucket that missed whole + part / window units at that time

local MARK, MARK_SIZE = '>I7I4', 11 -- when, and how many units
local CHARGE, CHARGE_SIZE = '>I2I4I4I4I4I4I2B', 25 -- key, id, quota, window in seconds, burst (0: a window), cost, scope, enforced
local BACK, BACK_SIZE = '>I2I4I7I4', 17 -- key, id, mark, cost
local SECOND = 1000000
local EXACT_QUOTA = 64 -- up to here each admission has a mark of its own
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
  return at > now + limit.window + limit.step
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
  return { kind = 1, limit = limit, at = 0, whole = 0, part = 0 }
end

-- What flows in within a span, as whole units and a part.
local function inflow(limit, span)
  local windows = math.floor(span / limit.window)
  local whole, part = scaled(span - windows * limit.window, limit.quota, limit.window)
  return whole + windows * limit.quota, part
end

-- How long until an amount has flowed in, rounded up.
local function inflow_time(limit, whole, part)
  local windows = math.floor(whole / limit.quota)
  local span, rest = scaled(whole - windows * limit.quota, limit.window, limit.quota)
  return math.min(windows * limit.window + span + math.ceil((rest + part) / limit.quota), LATEST)
end

-- An amount less another one, but not less than nothing.
local function less(limit, whole, part, by_whole, by_part)
  whole, part = whole - by_whole, part - by_part
  if part < 0 then whole, part = whole - 1, part + limit.window end
  if whole < 0 then return 0, 0 end
  return whole, part
end

-- What it misses now.
local function missing(counter)
  local limit = counter.limit
  -- More than a window ahead: the clock was set back.
  if counter.at > now + limit.window then return 0, 0 end
  return less(limit, counter.whole, counter.part, inflow(limit, math.max(now - counter.at, 0)))
end

local function flow(counter)
  counter.whole, counter.part = missing(counter)
  if counter.at < now or (counter.whole == 0 and counter.part == 0) then counter.at = now end
end

function bucket.check(counter, cost)
  local limit = counter.limit
  local whole, part = missing(counter)
  local over = whole + cost - limit.burst
  if over < 0 and part > 0 then return true, -over - 1, inflow_time(limit, 0, part) end
  if over <= 0 and part == 0 then return true, -over, inflow_time(limit, 1, 0) end
  if cost > limit.burst then return false, limit.window, 0 end
  return false, inflow_time(limit, over, part), 0
end

function bucket.take(counter, cost)
  flow(counter)
  counter.whole = counter.whole + cost
  return counter.at
end

function bucket.give_back(counter, mark, cost)
  flow(counter)
  local limit = counter.limit
  local whole, part = less(limit, cost, 0, inflow(limit, math.max(now - mark, 0)))
  counter.whole, counter.part = less(limit, counter.whole, counter.part, whole, part)
  return true
end

function bucket.matters(counter)
  local whole, part = missing(counter)
  if whole == 0 and part == 0 then return 0 end
  return math.min(math.max(counter.at, now) + inflow_time(counter.limit, whole, part), LATEST)
end

-- The same number of missing units, in parts of another window.
local function rescale(counter, to)
  local from = counter.limit.window
  local part, rest = scaled(counter.part, to / SECOND, from / SECOND)
  if rest > 0 then part = part + 1 end
  if part >= to then counter.whole, part = counter.whole + 1, part - to end
  counter.part = part
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

local function read_counter(packed)
  local kind, quota, span = packed[2], packed[3], packed[4]
  check_that(is_number(packed[1]) and is_number(quota) and is_number(span) and span >= SECOND and is_number(packed[5]))
  if kind == 0 then
    check_that(type(packed[6]) == 'string' and #packed[6] % MARK_SIZE == 0)
    return { kind = 0, limit = limit_of(quota, span), units = packed[5], marks = packed[6] }
  end
  check_that(kind == 1 and quota > 0 and is_number(packed[6]) and is_number(packed[7]) and packed[7] < span)
  return { kind = 1, limit = limit_of(quota, span), at = packed[5], whole = packed[6], part = packed[7] }
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
  records[key] = is_fine and record or { proved = 0, counters = {} }
  return records[key]
end

local function write(key, record)
  local matters = record.proved > now and record.proved or 0
  local packed = { matters }
  for id, counter in pairs(record.counters) do
    local until_when, limit = algorithms[counter.kind].matters(counter), counter.limit
    if until_when > now then
      matters = math.max(matters, until_when)
      if counter.kind == 0 then
        packed[#packed + 1] = { id, 0, limit.quota, limit.window, counter.units, counter.marks }
      else
        packed[#packed + 1] = { id, 1, limit.quota, limit.window, counter.at, counter.whole, counter.part }
      end
    end
  end
  if matters > now then
    redis.call('SET', KEYS[key], cmsgpack.pack(packed), 'PX', math.ceil((matters - now) / 1000))
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

-- The counter that a charge is for, which goes on under the limit of the charge.
local function counter_of(charge)
  local counters = client(charge.key).counters
  local counter = counters[charge.id]
  if not counter or counter.kind ~= charge.kind then
    counter = algorithms[charge.kind].new(charge.limit)
    counters[charge.id] = counter
  elseif counter.kind == 1 and counter.limit.window ~= charge.limit.window then
    rescale(counter, charge.limit.window)
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

-- How long the proof of the first client goes on to count.
local function proved_for(lasts)
  return lasts > 0 and math.max(client(1).proved - now, 0) or 0
end

local function prove(lasts)
  local record = client(1)
  if now + lasts > record.proved then record.proved, record.is_changed = now + lasts, true end
end

local function charge(lasts, proved, unproved)
  local is_proved = proved_for(lasts) > 0
  local charges = read_charges((is_proved or not unproved) and proved or unproved)
  local is_denied, is_over = false, {}
  for _, charge in ipairs(charges) do
    charge.is_admitted, charge.tells, charge.reset = check(charge)
    if not charge.is_admitted then
      is_denied, is_over[charge.scope] = is_denied or charge.is_enforced, true
    end
  end
  -- A place is kept for what is known only at the end.
  local answer = { now, is_proved and 1 or 0, 0, 0 }
  for _, charge in ipairs(charges) do
    -- A shadow scope that is over one of its limits is not charged.
    local is_taken = not is_denied and (charge.is_enforced or not is_over[charge.scope])
    local place = #answer
    answer[place + 1], answer[place + 2] = charge.is_admitted and 1 or 0, charge.tells
    answer[place + 3], answer[place + 4] = charge.reset, is_taken and take(charge) or 0
  end
  if is_proved and not is_denied then prove(lasts) end
  write_changed()
  answer[3], answer[4] = proved_for(lasts), broken
  return answer
end

local function give_back(packed)
  for place = 1, #packed, BACK_SIZE do
    local key, id, mark, cost = struct.unpack(BACK, packed, place)
    local record = client(key)
    local counter = record.counters[id]
    if counter and algorithms[counter.kind].give_back(counter, mark, cost) then record.is_changed = true end
  end
end

local function settle(lasts, due, back, back_if_all_fitted)
  if lasts > 0 then prove(lasts) end
  local all_fitted = true
  for _, charge in ipairs(read_charges(due)) do
    if check(charge) then take(charge) else all_fitted = false end
  end
  give_back(back)
  if all_fitted then give_back(back_if_all_fitted) end
  write_changed()
  return { now, all_fitted and 1 or 0, proved_for(lasts), broken }
end

local what = ARGV[1] == 'charge' and charge or settle
return what(tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5])

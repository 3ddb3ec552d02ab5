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

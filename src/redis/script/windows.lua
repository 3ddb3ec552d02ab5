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

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

-- What is known of the client with this key. A value that was not written here counts as none, and gives way when something is to be
-- written.
local function known(key)
  local value, is_fine, record = redis.pcall('GET', key)
  if type(value) == 'string' then
    is_fine, record = pcall(read, value)
  elseif value and not string.find(value.err, 'WRONGTYPE', 1, true) then
    error(value.err)
  end
  if value and not is_fine then broken = broken + 1 end
  return is_fine and record or { proved = 0, counters = {} }
end

-- The client with the key of this number.
local function client(key)
  if not records[key] then records[key] = known(KEYS[key]) end
  return records[key]
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

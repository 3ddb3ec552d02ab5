-- -- charges ---------------------------------------------------------------------------------------------------------------------
--
-- Charges a request, all of its charges or none; or settles what is left to do when it is answered. command.rs writes what this
-- reads, and answer.rs reads what it returns.
--
--   KEYS                                      the clients; where there is a proof, the first is its client
--   ARGV  'charge' LASTS CHARGES [CHARGES]    what to charge if the proof is known, and if not; a single list is charged anyway
--       → { now, whether it is known, for how long, broken, then for each charge: admitted, remaining or wait, reset, mark }
--   ARGV  'settle' LASTS BACK                 a proof to note, and what to give back
--       → { now, whether the proof is known, for how long, broken }
--         (what is to stay if the proof is new is given back only if it was known already)
--
-- LASTS is 0 where there is no proof, a mark 0 where nothing was taken.

local CHARGE, CHARGE_SIZE = '>I2I4I4I4I4I4I2B', 25 -- key, id, quota, window in seconds, burst (0: a window), cost, scope, enforced
local BACK, BACK_SIZE = '>I2I4I7I4B', 18 -- key, id, mark, cost, stays if the proof is new

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

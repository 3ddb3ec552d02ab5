-- -- operators -------------------------------------------------------------------------------------------------------------------
--
-- Looks at clients, and does what operators want done to them. errand/question.rs writes what this reads, and errand/brought.rs reads
-- what it returns.
--
--   KEYS  that of the acts, and where there is one the client's
--   ARGV  'look' WATCHED             → { now, broken, how long it is blocked, seen… }
--         'survey' WATCHED CURSOR    → { now, broken, cursor, then for each client: its digits, how many limits, seen… }
--         'block' LASTS, 'unblock', 'pardon'
--                                    → { now, broken, done }, where done is 0 if there was nothing to do, and 2 if too many are blocked
--
-- WATCHED are the limits that are looked for. `seen` is what is known of a client: for how long its proof counts, then for each of
-- these limits by which it is counted now: its place among them from 0, and admitted, remaining or wait, reset, for one unit more.
-- Nothing is taken by that. A cursor of '0' begins, and as an answer says that it was the last step. A step tells of no client twice;
-- two steps may.
--
-- The key of the acts holds a sorted set: the digits of who is blocked, each with the time until which it is, and 'acts', with how often
-- anything was done. acts.rs reads it, too.

local WATCHED, WATCHED_SIZE = '>I4I4I4I4', 16 -- id, quota, window in seconds, burst (0: a window)
local MOST_BLOCKED = 1000
local KEPT = 31 * 24 * 3600 * SECOND -- for so long at least it is known how often anything was done
local PAGE = 20 -- so many keys are asked for at once
-- A step ends when it has taken so many microseconds, about: for a key of anybody's, a client, a window, a bucket.
local ENOUGH, KEY_COST, CLIENT_COST, COUNTER_COSTS = 2000, 1, 5, { [0] = 6, [1] = 30 }

-- The limits to look for, by their counters.
local function read_watched(packed)
  local watched = {}
  for at = 1, #packed, WATCHED_SIZE do
    local id, quota, seconds, burst = struct.unpack(WATCHED, packed, at)
    local limits = watched[id] or {}
    watched[id] = limits
    limits[#limits + 1] = {
      place = (at - 1) / WATCHED_SIZE, kind = burst == 0 and 0 or 1, limit = limit_of(quota, seconds * SECOND, burst),
    }
  end
  return watched
end

-- What is seen of a client, whether anything of that matters, and how much there was to look at.
local function see(record, watched)
  local seen, cost = { math.max(record.proved - now, 0) }, CLIENT_COST
  local matters = seen[1] > 0
  for id, counter in pairs(record.counters) do
    local algorithm = algorithms[counter.kind]
    cost = cost + COUNTER_COSTS[counter.kind]
    if algorithm.matters(counter) > now then
      matters = true
      for _, one in ipairs(watched[id] or {}) do
        if one.kind == counter.kind and one.limit.window == counter.limit.window then
          counter.limit, counter.live = one.limit, nil
          local place, is_admitted, tells, reset = #seen, algorithm.check(counter, 1)
          seen[place + 1], seen[place + 2] = one.place, is_admitted and 1 or 0
          seen[place + 3], seen[place + 4] = tells, reset
        end
      end
    end
  end
  return seen, matters, cost
end

local function put(answer, values)
  for _, value in ipairs(values) do answer[#answer + 1] = value end
end

-- What operators have done.
local function read_acts()
  local acts = { number = 0, blocked = {}, count = 0, over = {} }
  local members = redis.pcall('ZRANGE', KEYS[1], 0, MOST_BLOCKED, 'WITHSCORES')
  if members.err then
    if not string.find(members.err, 'WRONGTYPE', 1, true) then error(members.err) end
    broken = broken + 1
    acts.is_broken = true
    return acts
  end
  for place = 1, #members, 2 do
    local member, score = members[place], tonumber(members[place + 1])
    if member == 'acts' then
      acts.number = is_number(score) and score or 0
    elseif is_number(score) and score > now then
      acts.blocked[member], acts.count = score, acts.count + 1
    else
      acts.over[#acts.over + 1] = member
    end
  end
  return acts
end

-- Counts one act more, after which these are blocked. It comes before what is done: if it fails, nothing was.
local function count_act(acts)
  local latest = now + KEPT
  for _, until_when in pairs(acts.blocked) do latest = math.max(latest, until_when) end
  if acts.is_broken then redis.call('DEL', KEYS[1]) end
  redis.call('ZADD', KEYS[1], acts.number + 1, 'acts')
  if #acts.over > 0 then redis.call('ZREM', KEYS[1], unpack(acts.over)) end
  redis.call('PEXPIREAT', KEYS[1], math.ceil(latest / 1000))
end

local function digits_of(key)
  return string.sub(key, -32)
end

local ask = {}

function ask.look(watched)
  local until_when = read_acts().blocked[digits_of(KEYS[2])] or now
  local seen = see(known(KEYS[2]), read_watched(watched))
  local answer = { now, broken, until_when - now }
  put(answer, seen)
  return answer
end

function ask.survey(packed, cursor)
  local head = string.sub(KEYS[1], 1, -#'acts' - 1)
  local pattern = string.gsub(head, '[%*%?%[%]\\]', '\\%0') .. '*'
  local watched, answer, done, cost = read_watched(packed), { now, 0, '' }, {}, 0
  repeat
    local page = redis.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', PAGE)
    cursor, cost = page[1], cost + PAGE * KEY_COST
    for _, key in ipairs(page[2]) do
      local digits = string.sub(key, #head + 1)
      if #digits == 32 and not string.find(digits, '[^0-9a-f]') and not done[digits] then
        done[digits] = true
        local seen, matters, more = see(known(key), watched)
        cost = cost + more
        if matters then
          put(answer, { digits, (#seen - 1) / 4 })
          put(answer, seen)
        end
      end
    end
  until cursor == '0' or cost >= ENOUGH
  answer[2], answer[3] = broken, cursor
  return answer
end

function ask.block(lasts)
  local acts, client, until_when = read_acts(), digits_of(KEYS[2]), now + tonumber(lasts)
  if acts.count >= MOST_BLOCKED and not acts.blocked[client] then return { now, broken, 2 } end
  acts.blocked[client] = until_when
  count_act(acts)
  redis.call('ZADD', KEYS[1], until_when, client)
  return { now, broken, 1 }
end

function ask.unblock()
  local acts, client = read_acts(), digits_of(KEYS[2])
  acts.blocked[client] = nil
  count_act(acts)
  return { now, broken, redis.call('ZREM', KEYS[1], client) }
end

function ask.pardon()
  count_act(read_acts())
  return { now, broken, redis.call('DEL', KEYS[2]) }
end

return ask[ARGV[1]](ARGV[2], ARGV[3])

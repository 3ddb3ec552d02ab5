-- Lets the access log tell users apart without their secrets: a keyed hash of what each request presents.
--
-- For Envoy's Lua filter, which the official builds have:
--
--   - name: log_credential
--     typed_config:
--       "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
--       default_source_code: { filename: /etc/envoy/log-credential.lua }
--
-- It stands in front of the filter `tollgate`. The log then has it by this field:
--
--   credential: "%DYNAMIC_METADATA(log:credential)%"
--
-- It is the first 16 bytes of HMAC-SHA-256, in hexadecimal digits. Without the key nobody can try out which secret a hash stands
-- for, so make one of your own by `openssl rand -hex 32`, and keep it from those who read the logs.

local KEY = "change me"
local HEADER = "authorization" -- or "cookie", or "x-api-key": where the policy's client.credential.from looks

-- SHA-256 (FIPS 180-4). Its constants are the first 32 bits of the fractions of the roots of primes.

local band, bnot, bxor, ror, rshift, tobit, tohex =
  bit.band, bit.bnot, bit.bxor, bit.ror, bit.rshift, bit.tobit, bit.tohex

local function fraction(number)
  return tobit(math.floor((number % 1) * 4294967296))
end

local K, START = {}, {}
do
  local number = 2
  while #K < 64 do
    local is_prime = true
    for divisor = 2, math.floor(math.sqrt(number)) do
      if number % divisor == 0 then
        is_prime = false
        break
      end
    end
    if is_prime then
      K[#K + 1] = fraction(number ^ (1 / 3))
      if #START < 8 then
        START[#START + 1] = fraction(math.sqrt(number))
      end
    end
    number = number + 1
  end
end

local function word(number)
  return string.char(
    band(rshift(number, 24), 255), band(rshift(number, 16), 255), band(rshift(number, 8), 255), band(number, 255)
  )
end

local function sha256(text)
  local padding = string.rep("\0", (55 - #text) % 64)
  local message = text .. "\128" .. padding .. word(0) .. word(#text * 8)
  local h = { unpack(START) }
  local w = {}
  for block = 1, #message, 64 do
    for i = 1, 16 do
      local a, b, c, d = string.byte(message, block + 4 * i - 4, block + 4 * i - 1)
      w[i] = tobit(a * 16777216 + b * 65536 + c * 256 + d)
    end
    for i = 17, 64 do
      local x, y = w[i - 15], w[i - 2]
      local s0 = bxor(ror(x, 7), ror(x, 18), rshift(x, 3))
      local s1 = bxor(ror(y, 17), ror(y, 19), rshift(y, 10))
      w[i] = tobit(w[i - 16] + s0 + w[i - 7] + s1)
    end
    local a, b, c, d, e, f, g, x = unpack(h)
    for i = 1, 64 do
      local choice = bxor(band(e, f), band(bnot(e), g))
      local t1 = tobit(x + bxor(ror(e, 6), ror(e, 11), ror(e, 25)) + choice + K[i] + w[i])
      local majority = bxor(band(a, b), band(a, c), band(b, c))
      local t2 = tobit(bxor(ror(a, 2), ror(a, 13), ror(a, 22)) + majority)
      a, b, c, d, e, f, g, x = tobit(t1 + t2), a, b, c, tobit(d + t1), e, f, g
    end
    for i, value in ipairs({ a, b, c, d, e, f, g, x }) do
      h[i] = tobit(h[i] + value)
    end
  end
  return h
end

local function bytes(words)
  local text = {}
  for i, value in ipairs(words) do
    text[i] = word(value)
  end
  return table.concat(text)
end

local function padded(mask)
  local key = #KEY > 64 and bytes(sha256(KEY)) or KEY
  key = key .. string.rep("\0", 64 - #key)
  return (key:gsub(".", function(byte)
    return string.char(bxor(string.byte(byte), mask))
  end))
end

local INNER, OUTER = padded(0x36), padded(0x5c)

function envoy_on_request(handle)
  local secret = handle:headers():get(HEADER)
  if secret then
    local hash = sha256(OUTER .. bytes(sha256(INNER .. secret)))
    local name = tohex(hash[1]) .. tohex(hash[2]) .. tohex(hash[3]) .. tohex(hash[4])
    handle:streamInfo():dynamicMetadata():set("log", "credential", name)
  end
end

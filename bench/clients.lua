-- Many clients in one wrk: arguments TEMPLATE-FILE COUNT FIRST [REPORT].
--
-- The template is a request as it goes over the wire; <address> and <token> in it stand for the client's own. There are
-- COUNT clients, who call in turn; with 0, each request comes from a client of its own, numbered from FIRST. With REPORT,
-- the name of a header that the replies repeat, the successes of each of its values are counted.

local id = 0

function setup(thread)
    thread:set("id", id)
    id = id + 1
    threads = threads or {}
    table.insert(threads, thread)
end

local function address(n)
    return string.format("10.%d.%d.%d", math.floor(n / 65536) % 256, math.floor(n / 256) % 256, n % 256)
end

-- As long as those of Django REST framework.
local function token(n)
    return string.format("%08x%032x", n, n)
end

-- The template in pieces: text, and the functions that make what stands between.
local pieces = {}

local function split(template)
    local makers = { address = address, token = token }
    local at = 1
    for before, name, behind in template:gmatch("()<(%a+)>()") do
        if makers[name] then
            table.insert(pieces, template:sub(at, before - 1))
            table.insert(pieces, makers[name])
            at = behind
        end
    end
    table.insert(pieces, template:sub(at))
end

local function fill(n)
    local made = {}
    for index, piece in ipairs(pieces) do
        made[index] = type(piece) == "function" and piece(n) or piece
    end
    return table.concat(made)
end

function init(args)
    local file = assert(io.open(args[1]))
    split(file:read("*a"))
    file:close()
    count, first, reported = tonumber(args[2]), tonumber(args[3]), args[4]
    calls, successes = 0, {}
    if count == 0 then
        -- Threads must not share clients: each has its own stretch of a million.
        first = first + id * 1000000
        request = function()
            calls = calls + 1
            return fill(first + calls)
        end
    else
        local requests = {}
        for n = 1, count do requests[n] = fill(first + n) end
        request = function()
            calls = calls % count + 1
            return requests[calls]
        end
    end
    if reported then
        -- Costs wrk the parsing of headers, so it is there only when asked for.
        response = function(status, headers)
            if status == 200 then
                local value = headers[reported]
                successes[value] = (successes[value] or 0) + 1
            end
        end
    end
end

function done(summary, latency)
    local each = {}
    for _, thread in ipairs(threads) do
        for value, number in pairs(thread:get("successes")) do each[value] = (each[value] or 0) + number end
    end
    local most, least, values = 0, nil, 0
    for _, number in pairs(each) do
        most, least, values = math.max(most, number), math.min(least or number, number), values + 1
    end
    local errors = summary.errors
    io.write(string.format(
        'JSON {"requests": %d, "micros": %d, "refused": %d, "broken": %d, "p50": %d, "p99": %d, ' ..
        '"values": %d, "most": %d, "least": %d}\n',
        summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(99), values, most, least or 0))
end

-- Requests of one case for wrk: `wrk ... -s load.lua URL -- CASE TAG IDS`.
-- The answers that are not 2xx are counted by wrk itself; times are printed in microseconds.

local paths = {
  list20 = "/users?limit=20",
  list100 = "/users?limit=100",
  nested20 = "/users?limit=20&include=orders",
  ["peer-list20"] = "/api/dummy/?limit=20",
  ["peer-list100"] = "/api/dummy/?limit=100",
}
local ids = {}
local number = 0
local case, tag

function init(arguments)
  case, tag = arguments[1], arguments[2]
  for id in io.lines(arguments[3]) do
    ids[#ids + 1] = id
  end
  math.randomseed(#tag + os.time())
end

function request()
  number = number + 1
  if case == "get" then
    return wrk.format("GET", "/users/" .. ids[math.random(#ids)])
  elseif case == "post" then
    local email = string.format("%s-%d@example.com", tag, number)
    local body = '{"email":"' .. email .. '","full_name":"Somebody New"}'
    return wrk.format("POST", "/users", { ["Content-Type"] = "application/json" }, body)
  elseif case == "peer-post" then
    local body = string.format('{"name":"%s-%d"}', tag, number)
    return wrk.format("PUT", "/api/dummy/", { ["Content-Type"] = "application/json" }, body)
  end
  return wrk.format("GET", paths[case])
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"microseconds":%d,"failed":%d,"p50":%d,"p99":%d}\n',
    summary.requests, summary.duration,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)
  ))
end

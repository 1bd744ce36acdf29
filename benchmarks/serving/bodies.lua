-- Sends the lines of the file named by BODIES as bodies, in turn, and prints one line of JSON.
local bodies = {}
for line in io.lines(os.getenv("BODIES")) do
   bodies[#bodies + 1] = line
end
local turn = 0
local headers = { ["Content-Type"] = "application/json" }

request = function()
   turn = turn % #bodies + 1
   return wrk.format("POST", nil, headers, bodies[turn])
end

done = function(summary, latency, requests)
   local failed = summary.errors.connect + summary.errors.read + summary.errors.write
      + summary.errors.status + summary.errors.timeout
   print(string.format(
      '{"requests": %d, "seconds": %.3f, "failed": %d, "p50": %.3f, "p99": %.3f, "max": %.3f}',
      summary.requests, summary.duration / 1e6, failed, latency:percentile(50) / 1e3,
      latency:percentile(99) / 1e3, latency.max / 1e3))
end

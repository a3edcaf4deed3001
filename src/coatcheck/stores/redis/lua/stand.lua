-- How a partition stands for the sweeper. ARGV after the three of `rows`: now. Answers {sessions due, tombstones}.
local count = 0
for _, epoch in ipairs(redis.call('ZRANGE', EPOCHS, 0, -1)) do
    count = count + redis.call('ZCOUNT', due_key(tonumber(epoch)), '-inf', ARGV[4])
end
return {count, redis.call('ZCARD', ENDS)}

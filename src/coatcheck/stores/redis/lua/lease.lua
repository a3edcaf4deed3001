-- Take or extend a lease. KEYS: the lease. ARGV: holder, now, until.
local until_then, holder = string.match(redis.call('GET', KEYS[1]) or '', '^(%-?%d+) (.*)$')
if until_then and holder ~= ARGV[1] and tonumber(ARGV[2]) < tonumber(until_then) then
    return 0
end
redis.call('SET', KEYS[1], ARGV[3] .. ' ' .. ARGV[1])
local time = redis.call('TIME')
redis.call('PEXPIREAT', KEYS[1], math.max(tonumber(ARGV[3]), tonumber(time[1]) * 1000) + 86400000)
return 1

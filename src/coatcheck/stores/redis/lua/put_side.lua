-- Keep a value beside a live session. KEYS: the session, its side records. ARGV: now, name, value.
local s = read_head(redis.call('GET', KEYS[1]))
if not s or s.kind ~= LIVE or s.schema > SCHEMA or s.size ~= #s.raw or dead_at(s, tonumber(ARGV[1])) then
    return 0
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
local forget = redis.call('PEXPIRETIME', KEYS[1])
if forget > 0 and s.expires ~= NEVER then
    redis.call('PEXPIREAT', KEYS[2], forget)
else
    -- Without an absolute deadline activity moves the session's time to be forgotten, and not this one's.
    redis.call('PERSIST', KEYS[2])
end
return 1

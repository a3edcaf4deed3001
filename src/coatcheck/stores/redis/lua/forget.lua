-- Forget tombstones that ended before a moment, then the oldest beyond a number. ARGV after the three of `rows`: moment,
-- most to keep (-1 any number), limit. Answers how many were forgotten.
local most, limit = tonumber(ARGV[5]), tonumber(ARGV[6])
local function forget(id)
    local key = key_of('s', id)
    local s, raw = load(id)
    if not raw or (s and s.kind == ENDED) then
        redis.call('DEL', key)
        redis.call('ZREM', BEGINNINGS, id)
    end
    if s and s.user then
        redis.call('ZREM', user_key('e', string.sub(id, 2, 4), s.user), id)
    end
    redis.call('ZREM', ENDS, id)
end
local ids = redis.call('ZRANGE', ENDS, '-inf', '(' .. ARGV[4], 'BYSCORE', 'LIMIT', 0, limit)
local surplus = most >= 0 and redis.call('ZCARD', ENDS) - most or 0
if surplus > #ids then
    ids = redis.call('ZRANGE', ENDS, 0, math.min(surplus, limit) - 1)
end
for _, id in ipairs(ids) do
    forget(id)
end
return #ids

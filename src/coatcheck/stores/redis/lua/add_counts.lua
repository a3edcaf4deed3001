-- Add counts, and forget what is too old. ARGV: what the keys of counts begin with; for each length of bucket its name,
-- the length of a block and of a bucket, how long a bucket is kept, the time before which buckets are forgotten, how many
-- blocks follow; and for each of these when it begins, the earliest of its buckets that is added to, how many numbers
-- follow, and field and number in turn. A length's index names its blocks by the earliest bucket that may be in them.
local DAY = 86400000
local BASE, at = ARGV[1], 1
local time = redis.call('TIME')
local clock = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function take()
    at = at + 1
    return ARGV[at]
end

local function keep(key, until_then)
    if redis.call('PEXPIRETIME', key) < until_then then
        redis.call('PEXPIREAT', key, until_then)
    end
end

local function forget(index, block, key, bucket, before)
    for _, field in ipairs(redis.call('HKEYS', key)) do
        if tonumber(block) + tonumber(string.match(field, '^%d+')) * bucket < before then
            redis.call('HDEL', key, field)
        end
    end
    if redis.call('EXISTS', key) == 0 then
        redis.call('ZREM', index, block)
    else
        redis.call('ZADD', index, before, block)
    end
end

while at < #ARGV do
    local index = BASE .. take()
    local width, bucket, kept, before = tonumber(take()), tonumber(take()), tonumber(take()), take()
    for _ = 1, tonumber(take()) do
        local block = take()
        local key = index .. ':' .. block
        redis.call('ZADD', index, 'LT', take(), block)
        for _ = 1, tonumber(take()) do
            local field = take()
            redis.call('HINCRBY', key, field, take())
        end
        -- Time decides by `before`; should nobody add any more, Redis forgets a day later than that.
        local until_then = math.max(tonumber(block) + width, clock) + kept + DAY
        keep(key, until_then)
        keep(index, until_then)
    end
    for _, block in ipairs(redis.call('ZRANGE', index, '-inf', '(' .. before, 'BYSCORE')) do
        forget(index, block, index .. ':' .. block, bucket, tonumber(before))
    end
end
return redis.status_reply('OK')

-- An epoch is kept as "value moment": what it was raised to, and when last.
local function read_epoch(key)
    local value, moment = string.match(redis.call('GET', key) or '', '^(%d+) (%d+)$')
    return tonumber(value) or 0, tonumber(moment) or -1
end

-- Raise an epoch to a value that was never used, in the later of the caller's time and the server's.
local function raise_epoch(key, now, keep_days)
    local value, last = read_epoch(key)
    local moment = math.max(now, clock())
    value = math.max(value + 1, moment)
    moment = math.max(last, moment)
    redis.call('SET', key, string.format('%.0f %.0f', value, moment))
    if keep_days then
        redis.call('PEXPIREAT', key, moment + keep_days * DAY)
    end
    return value
end

-- Raise a user's epoch, also again on a server that may have lost it: where it is not yet what was answered then, or,
-- where no answer came (0), was not raised since the caller's time. Answers it, and whether it was raised now.
local function raise_again(key, now, answered)
    local value, moment = read_epoch(key)
    if answered and value >= answered and (answered > 0 or moment >= now) then
        return value, false
    end
    return raise_epoch(key, now, 30), true
end

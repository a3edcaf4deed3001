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

-- Raise a user's epoch, also again on a server that may have lost it. `answered` is nil the first time. Where it is what
-- was answered then, the epoch becomes that at least and never the clock's: a later raise that was lost too would look
-- as if it had been done. Where no answer came (0), it is raised if it was not since the caller's time. Answers it.
local function raise_again(key, now, answered)
    local value, moment = read_epoch(key)
    if not answered or (answered == 0 and moment < now) then
        return raise_epoch(key, now, 30)
    end
    if value < answered then
        value, moment = answered, math.max(moment, math.min(answered, math.max(now, clock())))
        redis.call('SET', key, string.format('%.0f %.0f', value, moment), 'PXAT', math.max(moment, clock()) + 30 * DAY)
    end
    return value
end

-- Raise the store-wide epoch of this partition. ARGV after the three of `rows`: now, and on another partition than the
-- first the value it was raised to there (-1 on the first). Answers the value.
local now, value = tonumber(ARGV[4]), tonumber(ARGV[5])
if value < 0 then
    return raise_epoch(EVERYBODY, now)
end
local own, moment = read_epoch(EVERYBODY)
value = math.max(own, value)
redis.call('SET', EVERYBODY, string.format('%.0f %.0f', value, math.max(moment, now, clock())))
return value

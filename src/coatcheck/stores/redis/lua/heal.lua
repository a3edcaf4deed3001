-- Drop from the indexes what they name and is not there. ARGV after the three of `rows`: tag and user whose index to
-- read ('' for none), then ids for the index by creation time.
if ARGV[4] ~= '' then
    local ended = user_key('e', ARGV[4], ARGV[5])
    standing_of(ARGV[4], ARGV[5])
    for _, id in ipairs(redis.call('ZRANGE', ended, 0, -1)) do
        local s = load(id)
        if not s or s.kind ~= ENDED or s.user ~= ARGV[5] then
            redis.call('ZREM', ended, id)
        end
    end
end
for place = 6, #ARGV do
    if redis.call('EXISTS', key_of('s', ARGV[place])) == 0 then
        redis.call('ZREM', BEGINNINGS, ARGV[place])
    end
end

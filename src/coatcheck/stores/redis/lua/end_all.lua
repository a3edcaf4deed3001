-- End sessions created under an older store-wide epoch. ARGV after the three of `rows`: below, reason, now, limit.
-- Goes on past what is damaged beyond a tombstone, because an empty answer means that none is left.
local below, reason, now, limit = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local answer, count = {}, 0
for _, epoch in ipairs(redis.call('ZRANGE', EPOCHS, '-inf', '(' .. string.format('%.0f', below), 'BYSCORE')) do
    local key = due_key(tonumber(epoch))
    while count < limit do
        local ids = redis.call('ZRANGE', key, 0, limit - count - 1)
        if #ids == 0 then
            redis.call('ZREM', EPOCHS, epoch)
            break
        end
        for _, id in ipairs(ids) do
            local s, raw = load(id)
            redis.call('ZREM', key, id)
            if raw and (not s or s.kind == LIVE) then
                local left = bury(id, s, reason, now)
                if left then
                    count = count + 1
                    answer[#answer + 1] = id
                    answer[#answer + 1] = left
                end
            end
        end
    end
end
return answer

-- How many sessions of some partitions are live. ARGV after the three of `rows`: now, how many of those that were due to
-- look at, the partitions' tags. Answers {number, tag of a partition that another node has, ...}.
local now, looks = tonumber(ARGV[4]), tonumber(ARGV[5])
local function living(tag)
    OWN = '{' .. tag .. '}'
    EPOCHS = PREFIX .. 'n:' .. OWN
    local live = 0
    for _, epoch in ipairs(redis.call('ZRANGE', EPOCHS, 0, -1)) do
        local key = due_key(tonumber(epoch))
        live = live + redis.call('ZCOUNT', key, '(' .. ARGV[4], '+inf')
        for _, id in ipairs(redis.call('ZRANGE', key, '-inf', ARGV[4], 'BYSCORE', 'LIMIT', 0, looks)) do
            local s = load(id)
            looks = looks - 1
            if s and s.kind == LIVE and s.schema <= SCHEMA and not dead_at(s, now) then
                live = live + 1
            end
        end
    end
    return live
end
if #ARGV == 6 then
    return {living(ARGV[6])}
end
local answer = {0}
for number = 6, #ARGV do
    local here, live = pcall(living, ARGV[number])
    if here then
        answer[1] = answer[1] + live
    else
        answer[#answer + 1] = ARGV[number]
    end
end
return answer

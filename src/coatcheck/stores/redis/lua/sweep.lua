-- Bury what has expired. ARGV after the three of `rows`: now, limit, how many to look at. The due time is a lower bound:
-- what was renewed since is filed again. Answers {id, tombstone, ...},
-- and 1 at the end when the looks were used up.
local now, limit, looks = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local answer, count = {}, 0
local function look(id, key, epoch)
    local s, raw = load(id)
    if not raw or (s and s.kind == ENDED) then
        if not raw then
            redis.call('DEL', key_of('b', id))
            redis.call('ZREM', BEGINNINGS, id)
        end
        undue(id, epoch)
    elseif not s then
        bury(id, s, IDLE, now)
    elseif s.schema > SCHEMA then
        -- A newer release may count time otherwise; it has a day to do so itself.
        redis.call('ZADD', key, math.max(due_at(s), now + DAY), id)
    else
        local reason = sweepable_at(s, now)
        if not reason then
            redis.call('ZADD', key, due_at(s), id)
            return
        end
        count = count + 1
        answer[#answer + 1] = id
        answer[#answer + 1] = bury(id, s, reason, now)
    end
end
for _, epoch in ipairs(redis.call('ZRANGE', EPOCHS, 0, -1)) do
    local key = due_key(tonumber(epoch))
    while count < limit and looks > 0 do
        local most = math.min(limit - count, looks)
        local ids = redis.call('ZRANGE', key, '-inf', ARGV[4], 'BYSCORE', 'LIMIT', 0, most)
        if #ids == 0 then
            break
        end
        for _, id in ipairs(ids) do
            look(id, key, epoch)
        end
        looks = looks - #ids
    end
end
if looks <= 0 then
    answer[#answer + 1] = 1
end
return answer

-- A page of everything, newest first. ARGV after the three of `rows`: limit, and the place after which it begins:
-- creation time and id ('' for the beginning). Answers id, creation time, row or false, ...
local limit, place, after = tonumber(ARGV[4]), ARGV[5], ARGV[6]
local function page(first)
    return redis.call('ZRANGE', BEGINNINGS, first, first + limit - 1, 'REV', 'WITHSCORES')
end
local rows
if after == '' then
    rows = page(0)
else
    local score = redis.call('ZSCORE', BEGINNINGS, after)
    if score and tonumber(score) == tonumber(place) then
        rows = page(redis.call('ZREVRANK', BEGINNINGS, after) + 1)
    else
        -- The row of the cursor is gone: past those of its moment that came before it.
        local first = redis.call('ZCOUNT', BEGINNINGS, '(' .. place, '+inf')
        for _, id in ipairs(redis.call('ZRANGE', BEGINNINGS, place, place, 'REV', 'BYSCORE')) do
            first = first + (id > after and 1 or 0)
        end
        rows = page(first)
    end
end
local answer = {}
for at = 1, #rows, 2 do
    local _, raw = load(rows[at])
    answer[#answer + 1] = rows[at]
    answer[#answer + 1] = tonumber(rows[at + 1])
    answer[#answer + 1] = raw
end
return answer

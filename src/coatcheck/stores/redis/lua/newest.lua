-- Which sessions of some partitions began last, newest first. KEYS: the index of the first partition. ARGV: the prefix of
-- every key, how many, the place after which they begin: creation time and id ('' for the beginning), the time before
-- which nobody is wanted any more; the partitions' tags. Answers {tags of partitions that another node has, {id, creation time, ...}}.
local PREFIX, most, place, after = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]

-- Byte by byte, as the index orders ids: Lua's own comparison follows the server's locale.
local function comes_later(one, other)
    for at = 1, math.min(#one, #other) do
        local a, b = string.byte(one, at), string.byte(other, at)
        if a ~= b then
            return a > b
        end
    end
    return #one > #other
end

local function newer(one, other)
    if one[2] ~= other[2] then
        return one[2] > other[2]
    end
    return comes_later(one[1], other[1])
end

-- The latest so far, and when a session must have begun to be among them.
local found, floor = {}, ARGV[5]
local function keep_latest()
    table.sort(found, newer)
    for number = #found, most + 1, -1 do
        found[number] = nil
    end
    floor = found[most] and string.format('%.0f', found[most][2]) or floor
end

local function rows_of(index)
    local from = after == '' and '+inf' or ARGV[3]
    local rows = redis.call('ZRANGE', index, from, floor, 'BYSCORE', 'REV', 'LIMIT', 0, most, 'WITHSCORES')
    if #rows == 0 or after == '' or tonumber(rows[2]) < place then
        return rows
    end
    -- Some began in the moment of the place: past those of them that came before, or at the place's own row.
    local first
    if tonumber(redis.call('ZSCORE', index, after) or -1) == place then
        first = redis.call('ZREVRANK', index, after) + 1
    else
        first = redis.call('ZCOUNT', index, '(' .. ARGV[3], '+inf')
        for _, id in ipairs(redis.call('ZRANGE', index, ARGV[3], ARGV[3], 'BYSCORE')) do
            first = first + (comes_later(id, after) and 1 or 0)
        end
    end
    return redis.call('ZRANGE', index, first, first + most - 1, 'REV', 'WITHSCORES')
end

local function look(tag)
    local rows = rows_of(PREFIX .. 'c:{' .. tag .. '}')
    for at = 1, #rows, 2 do
        found[#found + 1] = {rows[at], tonumber(rows[at + 1])}
    end
    if #found >= 2 * most then
        keep_latest()
    end
end

local elsewhere = {}
if #ARGV == 6 then
    look(ARGV[6])
else
    for number = 6, #ARGV do
        if not pcall(look, ARGV[number]) then
            elsewhere[#elsewhere + 1] = ARGV[number]
        end
    end
    keep_latest()
end
local answer = {}
for number, each in ipairs(found) do
    answer[2 * number - 1], answer[2 * number] = each[1], each[2]
end
return {elsewhere, answer}

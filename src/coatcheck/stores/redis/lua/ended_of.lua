-- A user's tombstones. ARGV after the three of `rows`: tag, user, how many, the last to end first; -1 for all.
-- Answers id, tombstone, ...; what is missing comes as false.
local answer = {}
local last = tonumber(ARGV[6])
local ids = redis.call('ZRANGE', user_key('e', ARGV[4], ARGV[5]), 0, last < 0 and -1 or last - 1, 'REV')
for _, id in ipairs(ids) do
    local s, raw = load(id)
    answer[#answer + 1] = id
    answer[#answer + 1] = s and s.user == ARGV[5] and raw or false
end
return answer

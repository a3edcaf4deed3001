-- The oldest tombstones. ARGV after the three of `rows`: how many. Answers id, moment, ...
local rows = redis.call('ZRANGE', ENDS, 0, tonumber(ARGV[4]) - 1, 'WITHSCORES')
for place = 2, #rows, 2 do
    rows[place] = tonumber(rows[place])
end
return rows

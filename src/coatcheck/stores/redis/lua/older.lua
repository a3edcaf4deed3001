-- How many sessions of this partition were created under an older store-wide epoch. ARGV after the three of `rows`:
-- below. Answers {number}.
local count = 0
for _, epoch in ipairs(redis.call('ZRANGE', EPOCHS, '-inf', '(' .. ARGV[4], 'BYSCORE')) do
    count = count + redis.call('ZCARD', due_key(tonumber(epoch)))
end
return {count}

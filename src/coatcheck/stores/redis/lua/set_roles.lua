-- Give a user's sessions that have not ended other roles. ARGV after the three of `rows`: tag, user, now, roles, and what
-- `end_user` has for being done again: then they are left alone where the roles were set by a later call. Calls come in
-- the order of the epochs that they answered; one without an answer comes just before its caller's time, so that it never
-- stands in the way of one that was answered. Other raises do not count.
-- Answers the epoch, {id, format} of one that a newer release wrote or false, id, ...
local tag, user, now, again = ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[8])
local value = raise_again(user_key('v', tag, user), now, again)
local set_key = user_key('r', tag, user)
local last = tonumber(redis.call('GET', set_key)) or 0
local place = again == 0 and now - 1 or again or value
local answer = {value, false}
if again and last >= place then
    return answer
end
redis.call('SET', set_key, string.format('%.0f', math.max(last, place)), 'PXAT', math.max(now, clock()) + 30 * DAY)
for _, each in ipairs(standing_of(tag, user)) do
    local id, s = each[1], each[2]
    if s and s.schema > SCHEMA then
        answer[2] = answer[2] or {id, s.schema}
    elseif s and readable(s) and frames_of(s.raw, s.data_at) then
        s.parts[ROLES] = ARGV[7]
        s.generation = s.generation + 1
        s.flags = bit.bor(s.flags, ROTATE_DUE)
        redis.call('SET', key_of('s', id), compose(s, string.sub(s.raw, s.data_at)), 'KEEPTTL')
        answer[#answer + 1] = id
    end
end
return answer

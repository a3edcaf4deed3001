-- Give a user's live sessions other roles. ARGV after the three of `rows`: tag, user, now, roles, and what `end_user` has
-- for being done again: then it is left alone where the user's epoch was raised since. Answers the epoch, id, ...
local tag, user, now = ARGV[4], ARGV[5], tonumber(ARGV[6])
local value, raised = raise_again(user_key('v', tag, user), now, tonumber(ARGV[8]))
local answer = {value}
if not raised then
    return answer
end
for _, each in ipairs(standing_of(tag, user)) do
    local id, s = each[1], each[2]
    if s and readable(s) and frames_of(s.raw, s.data_at) and not dead_at(s, now) then
        s.parts[ROLES] = ARGV[7]
        s.generation = s.generation + 1
        s.flags = bit.bor(s.flags, ROTATE_DUE)
        redis.call('SET', key_of('s', id), compose(s, string.sub(s.raw, s.data_at)), 'KEEPTTL')
        answer[#answer + 1] = id
    end
end
return answer

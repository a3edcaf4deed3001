-- End a user's sessions. ARGV after the three of `rows`: tag, user, reason, now, id to keep (''), and when this is done
-- again for a server that may have lost it the epoch that it answered ('' for the first time, 0 where that is unknown):
-- then only sessions that had begun by then end, and the epoch is raised only if it shows that the raise was lost.
-- Answers the epoch, id, tombstone, ...
local tag, user, reason, now = ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local keep, again = ARGV[8], tonumber(ARGV[9])
local value = raise_again(user_key('v', tag, user), now, again)
local answer, left = {value}, {}
for _, each in ipairs(standing_of(tag, user)) do
    local id, s = each[1], each[2]
    if id == keep or (again and s and s.created > now) then
        left[#left + 1] = entry_of(id)
    else
        local raw = bury(id, s, reason, now, true)
        if raw then
            answer[#answer + 1] = id
            answer[#answer + 1] = raw
        end
    end
end
write_index(user_key('u', tag, user), table.concat(left))
return answer

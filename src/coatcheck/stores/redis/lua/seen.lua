-- Recorded activity: five arguments from `at` on: time, idle deadline (-1 none), digest it confirms ('' none), whether
-- there is an address, the address. Without a time there is none.
local function read_seen(at)
    local time = tonumber(ARGV[at])
    if time < 0 then
        return nil
    end
    return {at = time, idle = tonumber(ARGV[at + 1]), confirms = ARGV[at + 2],
        address = ARGV[at + 3] == '1' and ARGV[at + 4] or nil}
end

-- The room for an address, filled; nil where there is no device or the activity is an old one's.
local function addressed(s, activity, room)
    if not activity.address or room == 0 or activity.at < s.seen then
        return nil
    end
    local text = activity.address
    room = math.max(room, #text)
    return string.char(room, #text) .. text .. string.rep('\0', room - #text)
end

-- Apply activity, forward only.
local function apply_times(s, activity)
    s.seen = math.max(s.seen, activity.at)
    if s.idle ~= NEVER then
        s.idle = math.max(s.idle, activity.idle)
    end
    if s.confirmed == NEVER and activity.confirms == s.digest then
        s.confirmed = activity.at
    end
end

local function apply(s, activity)
    if activity then
        s.address = addressed(s, activity, s.room) or s.address
        apply_times(s, activity)
    end
end

-- Write a changed session. Only one without an absolute deadline has to be remembered for longer than before.
local function save(s, data, renewed)
    local raw = compose(s, data)
    redis.call('SET', KEYS[1], raw, 'KEEPTTL')
    if renewed and s.expires == NEVER and due_at(s) ~= NEVER then
        redis.call('PEXPIREAT', KEYS[1], forget_at(s))
    end
    return raw
end

-- How a session lies in a string; `layout.py` says the same in Python and names each field.
--
-- The head, up to and with the user, stays at these offsets in every format, so that a release can end what a newer
-- one wrote. NEVER is the absent time: later than any time there is, so that deadlines compare without a special case.
local NEVER = 9007199254740992
local SCHEMA = 1
local LIVE, ENDED = 76, 84
local ROTATE_DUE, LOCKS, HAD_DATA, WAITING = 1, 2, 8, 16
local HEAD_SIZE, NOBODY = 108, 65535
local HEAD = '>BBBBBI4I4I4I7I7I7I7I7I7I7I7c33I2'
local SEEN_AT = 31 -- offset of the times that activity moves: last seen, idle deadline, confirmed
local PARTS = 6
local PREVIOUS, NONCE, ROLES, AMR, LIFETIME, DEVICE = 1, 2, 3, 4, 5, 6 -- a seventh, the origin, is never looked into
local DAY = 86400000

local function has(flags, flag)
    return bit.band(flags, flag) ~= 0
end

-- Read the head; nil when there is none that makes sense.
local function read_head(raw)
    if not raw or #raw < HEAD_SIZE then
        return nil
    end
    local s = {raw = raw}
    s.kind, s.schema, s.flags, s.reason, s.aal, s.size, s.version, s.generation, s.epoch, s.created, s.seen, s.idle,
        s.confirmed, s.expires, s.rotated, s.auth, s.digest, s.user_size = struct.unpack(HEAD, raw)
    if (s.kind ~= LIVE and s.kind ~= ENDED) or s.schema == 0 then
        return nil
    end
    s.body_at = HEAD_SIZE + 1
    if s.user_size ~= NOBODY then
        s.body_at = s.body_at + s.user_size
        if #raw < s.body_at - 1 then
            return nil
        end
        s.user = string.sub(raw, HEAD_SIZE + 1, s.body_at - 1)
    end
    return s
end

-- Read what follows the head in this release's format: the place for an address, and the parts. False when damaged.
local function read_body(s)
    local raw, at = s.raw, s.body_at
    if s.size ~= #raw or #raw < at + 2 then
        return false
    end
    s.room = string.byte(raw, at)
    s.address = string.sub(raw, at, at + 1 + s.room)
    at = at + 2 + s.room
    local count = string.byte(raw, at)
    if not count or count < PARTS then
        return false
    end
    at = at + 1
    s.parts = {}
    for number = 1, count do
        local high, low = string.byte(raw, at, at + 1)
        if not low then
            return false
        end
        local stop = at + 1 + high * 256 + low
        if stop > #raw then
            return false
        end
        s.parts[number] = string.sub(raw, at + 2, stop)
        at = stop + 1
    end
    s.data_at = at
    return true
end

-- Put a session together again; `data` is the frames of its keys. Parts that a newer release added stay.
local function compose(s, data)
    local pieces = {s.user or '', s.address, string.char(#s.parts)}
    for _, part in ipairs(s.parts) do
        pieces[#pieces + 1] = struct.pack('>I2', #part)
        pieces[#pieces + 1] = part
    end
    pieces[#pieces + 1] = data
    local rest = table.concat(pieces)
    s.size = HEAD_SIZE + #rest
    return struct.pack(HEAD, s.kind, s.schema, s.flags, s.reason, s.aal, s.size, s.version, s.generation, s.epoch,
        s.created, s.seen, s.idle, s.confirmed, s.expires, s.rotated, s.auth, s.digest, s.user_size) .. rest
end

-- Which clock has run out, as the number of its reason; nil while the session is alive.
local IDLE, ABSOLUTE = 4, 5
local function dead_at(s, now)
    if now >= s.expires and s.expires <= s.idle then
        return ABSOLUTE
    end
    return now >= s.idle and IDLE or nil
end

-- The same for the sweeper: a session that locks when idle is left until its absolute deadline.
local function sweepable_at(s, now)
    if has(s.flags, LOCKS) and now < s.expires then
        return nil
    end
    return dead_at(s, now)
end

-- When the sweeper has to look at it, NEVER for never.
local function due_at(s)
    return has(s.flags, LOCKS) and s.expires or math.min(s.idle, s.expires)
end

local function clock()
    local time = redis.call('TIME')
    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Let Redis forget a live session a week after its last possible deadline, should nobody sweep; nil for never.
local function forget_at(s)
    local last = s.expires ~= NEVER and s.expires or due_at(s)
    return last ~= NEVER and math.max(last, clock()) + 7 * DAY or nil
end

-- A session of this release's format that may be changed, or why not.
local DONE, GONE, GENERATION, CONFLICT, TOO_LARGE, NEWER = 0, 1, 2, 3, 4, 5
local function changeable(raw, generation, now)
    local s = read_head(raw)
    if not s or s.kind ~= LIVE then
        return nil, GONE
    end
    if s.schema > SCHEMA then
        return nil, NEWER
    end
    if s.size ~= redis.call('STRLEN', KEYS[1]) or dead_at(s, now) then
        return nil, GONE
    end
    if s.generation ~= generation then
        return nil, GENERATION
    end
    return s
end

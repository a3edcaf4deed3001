-- Sessions with the indexes around them. ARGV[1] is the prefix of every key, ARGV[2] the tag under which this
-- partition keeps what is its own, ARGV[3] whether sessions are indexed by creation time.
local PREFIX, OWN, BROWSE = ARGV[1], '{' .. ARGV[2] .. '}', ARGV[3] == '1'
local EPOCHS, ENDS, BEGINNINGS = PREFIX .. 'n:' .. OWN, PREFIX .. 'x:' .. OWN, PREFIX .. 'c:' .. OWN
local EVERYBODY = PREFIX .. 'g:' .. OWN
local ENTRY = 23 -- characters of an id in its user's index: all but the user's tag

local function key_of(kind, id)
    return PREFIX .. kind .. ':' .. string.sub(id, 1, 1) .. '{' .. string.sub(id, 2, 4) .. '}' .. string.sub(id, 5)
end

local function user_key(kind, tag, user)
    return PREFIX .. kind .. ':{' .. tag .. '}' .. user
end

local function due_key(epoch)
    return PREFIX .. 'd:' .. OWN .. string.format('%.0f', epoch)
end

-- The index of a user's sessions that have not ended is one string of ids.
local function entry_of(id)
    return string.sub(id, 1, 1) .. string.sub(id, 5)
end

local function ids_of(index, tag)
    local ids = {}
    for at = 1, #index - ENTRY + 1, ENTRY do
        ids[#ids + 1] = string.sub(index, at, at) .. tag .. string.sub(index, at + 1, at + ENTRY - 1)
    end
    return ids
end

local function write_index(key, entries)
    if entries == '' then
        redis.call('DEL', key)
    else
        redis.call('SET', key, entries)
    end
end

local function unlist(tag, user, id)
    local key = user_key('u', tag, user)
    local index, entry = redis.call('GET', key) or '', entry_of(id)
    local at = string.find(index, entry, 1, true)
    while at and (at - 1) % ENTRY ~= 0 do
        at = string.find(index, entry, at + 1, true)
    end
    if at then
        write_index(key, string.sub(index, 1, at - 1) .. string.sub(index, at + ENTRY))
    end
end

-- Somebody else's list or hash in the place of a session counts as a damaged one.
local function load(id)
    local raw = redis.pcall('GET', key_of('s', id))
    if type(raw) == 'table' then
        if not string.find(raw.err, 'WRONGTYPE', 1, true) then
            error(raw)
        end
        raw = ''
    end
    return read_head(raw), raw
end

-- Whether a session of this release's format can be read as far as Lua looks.
local function readable(s)
    return s.schema <= SCHEMA and (s.parts ~= nil or read_body(s))
end

-- The sessions of a user that have not ended, as {id, session}; drops from the index what is not the user's. What
-- cannot be read at all has no session, and stays.
local function standing_of(tag, user)
    local key = user_key('u', tag, user)
    local index = redis.call('GET', key) or ''
    local standing, whole = {}, {}
    for _, id in ipairs(ids_of(index, tag)) do
        local s, raw = load(id)
        if raw and (not s or (s.kind == LIVE and s.user == user)) then
            standing[#standing + 1] = {id, s}
            whole[#whole + 1] = entry_of(id)
        end
    end
    local healed = table.concat(whole)
    if healed ~= index then
        write_index(key, healed)
    end
    return standing
end

-- Take a session that is no more out of the due index of its epoch, or of every epoch where that is unknown.
local function undue(id, epoch)
    for _, each in ipairs(epoch and {epoch} or redis.call('ZRANGE', EPOCHS, 0, -1)) do
        local key = due_key(tonumber(each))
        redis.call('ZREM', key, id)
        if redis.call('EXISTS', key) == 0 then
            redis.call('ZREM', EPOCHS, string.format('%.0f', tonumber(each)))
        end
    end
end

local function due(id, s)
    local key = due_key(s.epoch)
    redis.call('ZADD', key, due_at(s), id)
    redis.call('ZADD', EPOCHS, s.epoch, string.format('%.0f', s.epoch))
end

-- What is left of an ended session: the head, and of the rest what can be read.
local function tombstone(s, reason, now)
    local whole = readable(s)
    local parts = {'', '', '', '', '', ''}
    local flags = HAD_DATA
    if whole then
        parts[PREVIOUS], parts[DEVICE] = s.parts[PREVIOUS], s.parts[DEVICE]
        flags = s.data_at <= #s.raw and HAD_DATA or 0
        if s.parts[NONCE] ~= '' and s.confirmed == NEVER then
            flags = flags + WAITING
        end
    end
    return {kind = ENDED, schema = SCHEMA, flags = flags, reason = reason, aal = 255, version = s.version,
        generation = s.generation, epoch = s.epoch, created = s.created, seen = s.seen, idle = NEVER,
        confirmed = NEVER, expires = NEVER, rotated = now, auth = NEVER, digest = s.digest, user_size = s.user_size,
        user = s.user, address = whole and s.address or '\0\255', parts = parts}
end

-- End a session and return its tombstone; false when there is nothing left to make one of. A revocation that comes
-- after a clock has run out keeps the clock's reason.
local REVOKED = 2
local function bury(id, s, reason, now, listed)
    local tag = string.sub(id, 2, 4)
    redis.call('DEL', key_of('b', id))
    if not s then
        redis.call('DEL', key_of('s', id))
        redis.call('ZREM', BEGINNINGS, id)
        undue(id)
        return false
    end
    if reason == REVOKED and readable(s) then
        reason = sweepable_at(s, now) or reason
    end
    local raw = compose(tombstone(s, reason, now), '')
    local until_then = math.max(now, clock()) + 30 * DAY
    redis.call('SET', key_of('s', id), raw, 'PXAT', until_then)
    undue(id, s.epoch)
    redis.call('ZADD', ENDS, now, id)
    if s.user then
        if not listed then
            unlist(tag, s.user, id)
        end
        local ended = user_key('e', tag, s.user)
        redis.call('ZADD', ended, now, id)
        redis.call('PEXPIREAT', ended, until_then)
    end
    return raw
end

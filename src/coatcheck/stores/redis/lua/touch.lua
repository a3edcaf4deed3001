-- Record activity in place. ARGV: generation, now, activity (five).
local NEAR = 512 -- the head, the user and the address of almost every session
local now = tonumber(ARGV[2])
local raw = redis.call('GETRANGE', KEYS[1], 0, NEAR - 1)
if #raw == NEAR then
    local user_size = struct.unpack('>I2', raw, HEAD_SIZE - 1)
    if user_size ~= NOBODY and HEAD_SIZE + user_size + 2 + 255 > NEAR then
        raw = redis.call('GET', KEYS[1])
    end
end
local s, refusal = changeable(raw, tonumber(ARGV[1]), now)
if not s then
    return refusal
end
local activity = read_seen(3)
s.room = string.byte(s.raw, s.body_at) or 0
local address = addressed(s, activity, s.room)
if address and #address > s.room + 2 then
    s = read_head(redis.call('GET', KEYS[1]))
    if not read_body(s) then
        return GONE
    end
    apply(s, activity)
    save(s, string.sub(s.raw, s.data_at), true)
    return DONE
end
local idle = s.idle
apply_times(s, activity)
redis.call('SETRANGE', KEYS[1], SEEN_AT, struct.pack('>I7I7I7', s.seen, s.idle, s.confirmed))
if address then
    redis.call('SETRANGE', KEYS[1], s.body_at - 1, address)
end
if s.idle > idle and s.expires == NEVER and due_at(s) ~= NEVER then
    redis.call('PEXPIREAT', KEYS[1], forget_at(s))
end
return DONE

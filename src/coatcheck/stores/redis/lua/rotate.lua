-- Give a session a new secret. ARGV: generation, now, activity (five), most bytes (-1 for none), frames to set, frames
-- whose keys to unset, digest to replace, new digest, moment, nonce ('' by privilege), digest held by the browser (''
-- for the one replaced), and the grant: roles ('' none, else '=' and them), time (-1), methods (as roles), level (-1).
-- Answers {0, session} or {refusal, ...}.
local s, refusal = changeable(redis.call('GET', KEYS[1]), tonumber(ARGV[1]), tonumber(ARGV[2]))
if not s then
    return {refusal}
end
local order, frames
if read_body(s) then
    order, frames = frames_of(s.raw, s.data_at)
end
if not order then
    return {GONE}
end
local most, set, unset = tonumber(ARGV[8]), ARGV[9], ARGV[10]
local replaces, digest, moment, nonce, held = ARGV[11], ARGV[12], tonumber(ARGV[13]), ARGV[14], ARGV[15]
local overtaken = s.digest ~= replaces
if overtaken and (nonce == '' or s.parts[PREVIOUS] ~= replaces or s.parts[NONCE] == '') then
    return {CONFLICT}
end
local data = string.sub(s.raw, s.data_at)
if set ~= '' or unset ~= '' then
    local kept, size
    data, kept, size = merge(order, frames, set, unset)
    if most >= 0 and set ~= '' and size > most then
        return too_large(kept, size)
    end
    s.version = s.version + 1
end
local activity = read_seen(3)
apply(s, activity)
if not overtaken then
    s.parts[PREVIOUS] = held ~= '' and held or s.digest
    s.parts[NONCE] = nonce
    s.digest, s.rotated, s.confirmed = digest, moment, NEVER
    s.flags = bit.band(s.flags, bit.bnot(ROTATE_DUE))
    if nonce == '' then
        s.generation = s.generation + 1
    end
    local roles, time, methods, level = ARGV[16], tonumber(ARGV[17]), ARGV[18], tonumber(ARGV[19])
    s.parts[ROLES] = roles ~= '' and string.sub(roles, 2) or s.parts[ROLES]
    s.auth = time >= 0 and time or s.auth
    s.parts[AMR] = methods ~= '' and string.sub(methods, 2) or s.parts[AMR]
    s.aal = level >= 0 and level or s.aal
end
return {DONE, save(s, data, activity)}

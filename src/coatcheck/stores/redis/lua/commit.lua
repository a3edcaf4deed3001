-- Merge changed keys. ARGV: generation, now, activity (five), expected version (''), most bytes (-1 for none), frames
-- to set, frames whose keys to unset. Answers {0, version} or {refusal, ...}.
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
local expected, most = tonumber(ARGV[8]), tonumber(ARGV[9])
if expected and expected ~= s.version then
    return {CONFLICT}
end
local data, kept, size = merge(order, frames, ARGV[10], ARGV[11])
if most >= 0 and ARGV[10] ~= '' and size > most then
    return too_large(kept, size)
end
local activity = read_seen(3)
apply(s, activity)
s.version = s.version + 1
save(s, data, activity)
return {DONE, s.version}

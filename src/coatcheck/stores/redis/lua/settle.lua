-- Give a session that a sign-in made provisionally its data and its own deadlines. ARGV: its digest, idle deadline,
-- absolute deadline, frames of its keys. Answers {0, session}, or {1} when it has ended.
local s = read_head(redis.call('GET', KEYS[1]))
if not s or s.kind ~= LIVE or s.digest ~= ARGV[1] or not read_body(s) then
    return {GONE}
end
s.idle, s.expires = tonumber(ARGV[2]), tonumber(ARGV[3])
local raw = compose(s, ARGV[4])
redis.call('SET', KEYS[1], raw)
local forget = forget_at(s)
if forget then
    redis.call('PEXPIREAT', KEYS[1], forget)
end
return {DONE, raw}

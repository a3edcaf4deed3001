-- Sign in. ARGV after the three of `rows`: id, user's tag ('' for nobody), now, session, limit (-1 none), which to
-- evict ('r', 'o', or '' to reject), epoch that was read (''), beginning of the request (''), id of the
-- session it replaces (''), its generation ('' any), whether to carry its data, frames whose keys not to carry, most
-- bytes (-1 none).
-- Answers {0, session, id, tombstone, ...}, or {6 exists, 7 stale, or 8 limit}.
local EXISTS, STALE, LIMIT, EVICTED, SUPERSEDED = 6, 7, 8, 3, 6
local id, tag, now, limit, evict = ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[8]), ARGV[9]
local epoch, began, replaced_id, most = tonumber(ARGV[10]), tonumber(ARGV[11]), ARGV[12], tonumber(ARGV[16])
local KEY = key_of('s', id)
if redis.call('EXISTS', KEY) == 1 then
    return {EXISTS}
end
local new = read_head(ARGV[7])
read_body(new)
local everybody, moment = read_epoch(EVERYBODY)
local own, own_moment = 0, -1
if new.user then
    own, own_moment = read_epoch(user_key('v', tag, new.user))
end
if (epoch and epoch ~= everybody + own) or (began and began <= math.max(moment, own_moment)) then
    return {STALE}
end

-- The session that it replaces, unless it has changed its privilege since it was read.
local old, old_raw
if replaced_id ~= '' then
    old, old_raw = load(replaced_id)
    local generation = tonumber(ARGV[13])
    if old and (old.kind == ENDED or (readable(old) and generation and generation ~= old.generation)) then
        old, old_raw = nil, nil
    end
end

-- Whom the limit pushes out, and what does not count because it is over: it ends, so that no activity recorded by a
-- slower clock makes it count again.
local surplus, over_by_now = {}, {}
if limit >= 0 and new.user then
    local alive = {}
    for _, each in ipairs(standing_of(tag, new.user)) do
        local s = each[2]
        if s and each[1] ~= (old_raw and replaced_id) and readable(s) then
            if not dead_at(s, now) then
                alive[#alive + 1] = {evict == 'o' and s.created or s.seen, s.created, each[1], s}
            elseif sweepable_at(s, now) then
                over_by_now[#over_by_now + 1] = {each[1], s, sweepable_at(s, now)}
            end
        end
    end
    local over = #alive + 1 - limit
    if over > 0 and evict == '' then
        return {LIMIT}
    end
    table.sort(alive, function(a, b)
        if a[1] ~= b[1] then
            return a[1] < b[1]
        end
        if a[2] ~= b[2] then
            return a[2] < b[2]
        end
        return a[3] < b[3]
    end)
    for place = 1, math.min(over, #alive) do
        surplus[place] = alive[place]
    end
end

-- What it carries.
local data = string.sub(new.raw, new.data_at)
if old and ARGV[14] == '1' and readable(old) and not sweepable_at(old, now) then
    local order, frames = frames_of(old.raw, old.data_at)
    if order then
        local both, _, size = merge(order, frames, data, ARGV[15])
        if most < 0 or size <= most then
            data = both
        end
    end
end
new.epoch = everybody
local forget = forget_at(new)
local raw = compose(new, data)
redis.call('SET', KEY, raw)
if forget then
    redis.call('PEXPIREAT', KEY, forget)
end
due(id, new)
if BROWSE then
    redis.call('ZADD', BEGINNINGS, new.created, id)
end
if new.user then
    redis.call('APPEND', user_key('u', tag, new.user), entry_of(id))
end
local answer = {DONE, raw}
local function report(dead, s, reason)
    local left = bury(dead, s, reason, now)
    if left then
        answer[#answer + 1] = dead
        answer[#answer + 1] = left
    end
end
for _, each in ipairs(over_by_now) do
    report(each[1], each[2], each[3])
end
for _, each in ipairs(surplus) do
    report(each[3], each[4], EVICTED)
end
if old_raw then
    report(replaced_id, old, SUPERSEDED)
end
return answer

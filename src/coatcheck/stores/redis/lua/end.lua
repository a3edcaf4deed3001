-- End one session. ARGV after the three of `rows`: id, reason, now, whether only its owner's, the owner, generation it
-- must still have ('' any). Answers its tombstone and what it was; false when there was none.
local id, now = ARGV[4], tonumber(ARGV[6])
local s, raw = load(id)
if not raw or (s and s.kind == ENDED) then
    return false
end
if ARGV[7] == '1' and not (s and s.user == ARGV[8]) then
    return false
end
local generation = tonumber(ARGV[9])
if generation and s and readable(s) and s.generation ~= generation then
    return false
end
local left = bury(id, s, tonumber(ARGV[5]), now)
return left and {left, raw}

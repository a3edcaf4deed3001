-- Raise the store-wide epoch of a server that has no key: it is new, or has lost what it knew. ARGV after the three of
-- `rows`: where the key is kept. Where another process has made one meanwhile it has raised the epoch too, and sign-ins
-- may have read that since.
if redis.call('EXISTS', ARGV[4]) == 1 then
    return 0
end
-- The moment stays as it was, so that the first sign-ins to a new server, which began before this, are let in.
local value, moment = read_epoch(EVERYBODY)
redis.call('SET', EVERYBODY, string.format('%.0f %.0f', math.max(value + 1, clock()), math.max(moment, 0)))
return 1

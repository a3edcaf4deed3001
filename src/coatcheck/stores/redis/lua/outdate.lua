-- Raise the store-wide epoch of a server that has no key: it is new, or has lost what it knew. ARGV: the three of `rows`.
-- The moment stays as it was, so that the first sign-ins to a new server, which began before this, are let in.
local value, moment = read_epoch(EVERYBODY)
redis.call('SET', EVERYBODY, string.format('%.0f %.0f', math.max(value + 1, clock()), math.max(moment, 0)))
return 1

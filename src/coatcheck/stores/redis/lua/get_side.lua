-- What lies beside a session. KEYS: its side records. ARGV: name.
return redis.call('HGET', KEYS[1], ARGV[1])

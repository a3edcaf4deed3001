-- The store's key, made once. KEYS: the key. ARGV: what it becomes if there is none.
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return redis.call('GET', KEYS[1])

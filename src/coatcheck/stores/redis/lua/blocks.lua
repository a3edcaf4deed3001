-- When the blocks of counts of one length begin. KEYS: their index.
return redis.call('ZRANGE', KEYS[1], 0, -1)

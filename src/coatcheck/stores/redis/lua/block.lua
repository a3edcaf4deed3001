-- The counts of one block: field and number in turn. KEYS: the block.
return redis.call('HGETALL', KEYS[1])

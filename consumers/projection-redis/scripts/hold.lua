-- Takes one partition away from whoever writes it, without asking of which edition it is.
--
-- KEYS[1]  progress of the partition
-- ARGV     1 an epoch that Postgres gave out
-- Answer   'held' and the next offset, '0' where there is nothing; 'fenced' and the later epoch

local stored = redis.call('HMGET', KEYS[1], 'epoch', 'next_offset')
if stored[1] and tonumber(stored[1]) >= tonumber(ARGV[1]) then
    return {'fenced', stored[1]}
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'next_offset', stored[2] or '0')
return {'held', stored[2] or '0'}

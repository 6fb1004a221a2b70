-- Takes one partition under an epoch that Postgres gave out, unless a later one was here before.
--
-- KEYS[1]  progress of the partition: a hash {epoch, next_offset, of, last, parkings, switching}
-- KEYS[2]  feed of the partition: a stream
-- ARGV     1 epoch, 2 of which projection and topic, 3 how many entries the feed keeps (0: there is none)
--          4 how many parkings Postgres has, 5 where the last of them got to
-- Answer   'ours', the next offset, and offset and fingerprint of the last record; 'fenced' and the later epoch; 'foreign' and
--          whose this namespace is; 'switching' while one edition takes another's place
--
-- A Redis that was wiped has no progress and answers 0: everything is read again. Where Postgres has fewer parkings than this
-- partition has seen, it lost what was parked: everything is read again from where the last one got to that it has.

local stored = redis.call('HMGET', KEYS[1], 'epoch', 'next_offset', 'of', 'last', 'parkings', 'switching')
if stored[6] then
    return {'switching', stored[6], ''}
end
if stored[3] and stored[3] ~= ARGV[2] then
    return {'foreign', stored[3], ''}
end
if stored[1] and tonumber(stored[1]) >= tonumber(ARGV[1]) then
    return {'fenced', stored[1], ''}
end
local next_offset, last = stored[2] or '0', stored[4] or ''
if tonumber(stored[5] or '0') > tonumber(ARGV[4]) and tonumber(next_offset) > tonumber(ARGV[5]) then
    next_offset, last = ARGV[5], ''
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'next_offset', next_offset, 'of', ARGV[2], 'last', last, 'parkings', ARGV[4])
if ARGV[3] == '0' then
    redis.call('DEL', KEYS[2]) -- a feed that is not written on is none
elseif redis.call('EXISTS', KEYS[2]) == 0 then
    redis.call('XADD', KEYS[2], '*', 'mark', 'begin')
end
return {'ours', next_offset, last}

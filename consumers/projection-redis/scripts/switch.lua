-- The last step of a switch: what was moved in is read and written from now on.
--
-- KEYS    1 progress of the partition, 2 progress of the edition that came in, 3 feed of the partition
-- ARGV    1 of which projection, edition and topic it is; 2 the next offset; 3 how many parkings Postgres has
-- Answer  'switched'

redis.call('HSET', KEYS[1], 'of', ARGV[1], 'next_offset', ARGV[2], 'last', '', 'parkings', ARGV[3])
redis.call('HDEL', KEYS[1], 'switching')
redis.call('DEL', KEYS[2])
if redis.call('DEL', KEYS[3]) == 1 then
    redis.call('XADD', KEYS[3], '*', 'mark', 'begin') -- whoever followed it reads anew
end
return 'switched'

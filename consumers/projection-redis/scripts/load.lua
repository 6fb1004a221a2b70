-- Rows of one partition, and whether it stands where its owner left it: rows of a Redis that was wiped or rolled back
-- would look like rows that never were.
--
-- KEYS[1]    progress of the partition
-- KEYS[2..]  rows: hashes {v, d}, version and document; no d: the view is deleted
-- Answer     epoch, next offset, then v and d of each row; nil where there is none

local answer = redis.call('HMGET', KEYS[1], 'epoch', 'next_offset')
for i = 2, #KEYS do
    local row = redis.call('HMGET', KEYS[i], 'v', 'd')
    answer[2 * i - 1] = row[1]
    answer[2 * i] = row[2]
end
return answer

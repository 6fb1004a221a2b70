-- Rows of one partition, and whether it stands where its owner left it: rows of a Redis that was wiped or rolled back
-- would look like rows that never were.
--
-- KEYS[1]    progress of the partition
-- KEYS[2..]  rows: hashes {v, s, d}, version, sum over its events, and document; no d: the view is deleted
-- Answer     epoch, next offset, then v, s and d of each row; nil where there is none

local answer = redis.call('HMGET', KEYS[1], 'epoch', 'next_offset')
for i = 2, #KEYS do
    local row = redis.call('HMGET', KEYS[i], 'v', 's', 'd')
    for part = 1, 3 do
        answer[3 * (i - 2) + 2 + part] = row[part]
    end
end
return answer

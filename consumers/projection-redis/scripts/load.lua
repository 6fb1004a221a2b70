-- Rows of one partition, and whether it stands where its owner left it: rows of a Redis that was wiped or rolled back
-- would look like rows that never were.
--
-- KEYS[1]    progress of the partition
-- KEYS[2..]  rows: hashes {v, s, d, x}, see flush.lua
-- Answer     epoch, next offset, then v, s, d and x of each row; nil where there is none

local answer = redis.call('HMGET', KEYS[1], 'epoch', 'next_offset')
for i = 2, #KEYS do
    local row = redis.call('HMGET', KEYS[i], 'v', 's', 'd', 'x')
    for part = 1, 4 do
        answer[4 * (i - 2) + 2 + part] = row[part]
    end
end
return answer

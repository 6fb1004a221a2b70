#!lua flags=allow-oom
-- Lets go of finished views of one partition. Their versions stay, so that events that come again are known. It may run where no
-- memory is left: there is more of it afterwards.
--
-- KEYS    1        progress of the partition
--         2..n+1   rows
--         n+2..    leaderboards
--         last     two: the finished views, and feed
-- ARGV    1 epoch that the partition is owned under, 2 n, 3 how many entries the feed keeps (0: there is none)
--         then for each row
--         1        version that was looked at (0: no row)
--         2        its name among the finished views
--         3, 4     member on leaderboards, and the one to leave (counted from 1 among them; 0: none)
--         then for each tenant of theirs: its name, and its rows' ids, each with its version behind it
-- Answer  'expired'; 'fenced' and the epoch that is there instead: nothing is written

local epoch, rows, kept = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local found = redis.call('HGET', KEYS[1], 'epoch')
if found ~= epoch then
    return {'fenced', found or 'none'}
end

for i = 1, rows do
    local at = 3 + (i - 1) * 4
    local version = redis.call('HGET', KEYS[i + 1], 'v') or '0'
    if version == ARGV[at + 1] then
        if redis.call('HDEL', KEYS[i + 1], 'd') == 1 then
            redis.call('HSET', KEYS[i + 1], 'x', '1')
        end
        local leave = tonumber(ARGV[at + 4])
        if leave > 0 then
            redis.call('ZREM', KEYS[rows + 1 + leave], ARGV[at + 3])
        end
        redis.call('ZREM', KEYS[#KEYS - 1], ARGV[at + 2])
    end
end

if kept ~= '0' then
    for at = 3 + rows * 4 + 1, #ARGV, 2 do
        redis.call('XADD', KEYS[#KEYS], 'MAXLEN', '~', kept, '*', 'tenant', ARGV[at], 'rows', ARGV[at + 1])
    end
end
return {'expired', ''}

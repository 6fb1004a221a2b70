-- Writes rows of one partition, their places on leaderboards, what changed into the feed, and last the offset: all of it or nothing.
--
-- Everything written is absolute, so a second run after an unknown outcome changes nothing (the feed may tell twice). All checks come before the
-- first write, because Redis takes nothing back when a script stops half-way. One does all the same where a slot of a cluster is about
-- to move: a board that was emptied cannot be made again there. So each row is written after its places; what is missing is done again.
--
-- KEYS  1        progress of the partition: a hash {epoch, next_offset, of, last, parkings}
--       2..n+1   rows: hashes {v, s, d, x}, version, sum over its events, and document; no d: the view is deleted, or x is there and it
--                has expired
--       n+2..    leaderboards: sorted sets of members by score
--       last     two: the finished views by when they were, and feed: a stream of what changed
-- ARGV  1        epoch that the partition is owned under
--       2, 3     the offset it stands at, the offset it gets to
--       4        1: the last script of the flush, which moves the offset; 0: one before it
--       5        n
--       6        how many entries the feed keeps (0: there is none)
--       7        offset and fingerprint of the last record that is applied or parked then; empty: not known
--       8        how many parkings Postgres has
--       then for each row
--       1, 2     version that is stored (0: no row), version to store
--       3        sum over its events
--       4        document; empty: the view is deleted
--       5        member on leaderboards
--       6        leaderboard to leave (counted from 1 among them; 0: none)
--       7, 8     leaderboard to be on (0: none), score
--       9        its name among the finished views; empty: it is none and was none
--       10       when it was finished, in milliseconds; empty: it is none
--       then for each tenant of theirs: its name, and its rows' ids, each with its version behind it
-- Answer  'applied'; 'before', if an earlier run of this flush did it all
--         'fenced' and the later epoch
--         'lost' and what stands instead: Redis was wiped, rolled back, or written by somebody else; nothing is written

local epoch, from, to, last, rows, kept = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1', tonumber(ARGV[5]), ARGV[6]

local progress = redis.call('HMGET', KEYS[1], 'epoch', 'next_offset')
if progress[1] and tonumber(progress[1]) > tonumber(epoch) then
    return {'fenced', progress[1]}
end
if progress[1] ~= epoch then
    return {'lost', 'epoch ' .. (progress[1] or 'none')}
end
if progress[2] ~= from then
    if progress[2] == to then
        return {'before', to}
    end
    return {'lost', 'offset ' .. (progress[2] or 'none')}
end

local stored = {}
for i = 1, rows do
    local at = 8 + (i - 1) * 10
    stored[i] = redis.call('HGET', KEYS[i + 1], 'v') or '0'
    if stored[i] ~= ARGV[at + 1] and stored[i] ~= ARGV[at + 2] then
        return {'lost', KEYS[i + 1] .. ' at version ' .. stored[i]}
    end
end

for i = 1, rows do
    local at = 8 + (i - 1) * 10
    local version, sum, document, member = ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
    if tonumber(stored[i]) < tonumber(version) then
        local leave, be_on = tonumber(ARGV[at + 6]), tonumber(ARGV[at + 7])
        if leave > 0 then
            redis.call('ZREM', KEYS[rows + 1 + leave], member)
        end
        if be_on > 0 then
            redis.call('ZADD', KEYS[rows + 1 + be_on], ARGV[at + 8], member)
        end
        local name, finished = ARGV[at + 9], ARGV[at + 10]
        if finished ~= '' then
            redis.call('ZADD', KEYS[#KEYS - 1], finished, name)
        elseif name ~= '' then
            redis.call('ZREM', KEYS[#KEYS - 1], name)
        end
        if document == '' then
            redis.call('HSET', KEYS[i + 1], 'v', version, 's', sum)
            redis.call('HDEL', KEYS[i + 1], 'd')
        else
            redis.call('HSET', KEYS[i + 1], 'v', version, 's', sum, 'd', document)
            redis.call('HDEL', KEYS[i + 1], 'x')
        end
    end
end

if kept ~= '0' then
    for at = 8 + rows * 10 + 1, #ARGV, 2 do
        redis.call('XADD', KEYS[#KEYS], 'MAXLEN', '~', kept, '*', 'tenant', ARGV[at], 'rows', ARGV[at + 1])
    end
end

if last then
    redis.call('HSET', KEYS[1], 'next_offset', to, 'last', ARGV[7], 'parkings', ARGV[8])
end
return {'applied', to}

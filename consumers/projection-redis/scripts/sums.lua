-- One look at some of the keys of a pattern, and of which events their rows were made.
--
-- ARGV    1 where the look before got to, 2 the pattern, 3 how many keys are looked at
-- Answer  where this one got to ('0': the end), and a text of three lines for each row: key, version, sum. A key may be shown twice.

local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3])
local lines = {}
for _, key in ipairs(page[2]) do
    local row = redis.call('HMGET', key, 'v', 's')
    if row[1] then
        lines[#lines + 1] = key
        lines[#lines + 1] = row[1]
        lines[#lines + 1] = row[2] or ''
    end
end
return {page[1], table.concat(lines, '\n')}

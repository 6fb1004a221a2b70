-- Puts keys in the place of others of the same partition, and these aside: readers see each key as it was or as it is.
--
-- KEYS    in threes: from where, to where, and where what was there goes
-- Answer  how many were moved; what is not there any more was moved before

local moved = 0
for i = 1, #KEYS, 3 do
    if redis.call('EXISTS', KEYS[i]) == 1 then
        if redis.call('EXISTS', KEYS[i + 1]) == 1 then
            redis.call('RENAME', KEYS[i + 1], KEYS[i + 2])
        end
        redis.call('RENAME', KEYS[i], KEYS[i + 1])
        moved = moved + 1
    end
end
return moved

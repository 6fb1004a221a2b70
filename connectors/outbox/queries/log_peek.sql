-- What the slot's reader would be sent next, read without taking it: nobody may be reading from the slot meanwhile. The
-- beginning of each message is enough to tell a row by; a payload may be large.
select
    lsn::text as lsn,
    (lsn - '0/0'::pg_lsn)::bigint as bytes,
    substring(data for 65536) as message
from pg_logical_slot_peek_binary_changes($1, null, $2, 'proto_version', '1', 'publication_names', $3)

-- What a row was made of, so that it can be compared with the event store while both go on.
alter table projection_row add column events_sum bytea not null
    constraint events_sum_has_16_bytes check (octet_length(events_sum) = 16);

comment on column projection_row.events_sum is
    'Sum over the events that took effect on this row, modulo 2^128: of the first 16 bytes of SHA-256(aggregate, version, event id, SHA-256 of the payload).';

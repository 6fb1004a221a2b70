-- What an owner needs to see that the topic, and what lies beside an offset that is kept elsewhere, are still those it left.
alter table projection_offset
    add column read_offset bigint,
    add column read_fingerprint bigint,
    add column parkings bigint not null default 0;

comment on column projection_offset.next_offset is
    'First offset that is not applied; moves in the transaction that writes the views. Redis keeps its own: then where it was at the last parking.';
comment on column projection_offset.read_offset is 'The last record that was applied or parked.';
comment on column projection_offset.read_fingerprint is
    'First 8 bytes of SHA-256 over its key and payload: a topic made anew has another record there.';
comment on column projection_offset.parkings is
    'How often something was parked or decided for a sink that keeps its offset elsewhere. It keeps the number beside the offset.';

-- What the event store has, aggregate by aggregate, as it was followed: what the rows of views are compared with while both go on.
create table ledger_stream (
    aggregate_id   uuid   not null,
    aggregate_type text   not null,
    tenant_id      text   not null,
    version        bigint not null,
    events_sum     bytea  not null,
    lacks          bigint,
    constraint ledger_stream_pkey primary key (aggregate_id),
    constraint events_sum_has_16_bytes check (octet_length(events_sum) = 16)
) with (fillfactor = 70); -- hot rows are written again and again

comment on table ledger_stream is 'The events of each aggregate as a sum; written by whoever follows the store (ledger_position).';
comment on column ledger_stream.aggregate_id is 'The aggregate.';
comment on column ledger_stream.aggregate_type is 'Its kind.';
comment on column ledger_stream.tenant_id is 'Whose it is.';
comment on column ledger_stream.version is 'Its last version.';
comment on column ledger_stream.events_sum is
    'Sum over its events up to there, those included that left the store since: as projection_row.events_sum.';
comment on column ledger_stream.lacks is 'The first version that the store should have had and had not.';

create table ledger_position (
    only_one boolean not null default true,
    position bigint  not null default 0,
    constraint ledger_position_pkey primary key (only_one),
    constraint there_is_one check (only_one)
);

comment on table ledger_position is 'How far the store was followed. Whoever follows it locks the row.';
comment on column ledger_position.only_one is 'Always true.';
comment on column ledger_position.position is 'Events of the store up to this position are in ledger_stream.';

insert into ledger_position default values;

alter table ledger_stream enable row level security;
alter table ledger_stream force row level security;
create policy ledger_stream_is_followed on ledger_stream to views_writer using (true) with check (true);

grant select, insert, update, delete on ledger_stream to views_writer;
grant select, update on ledger_position to views_writer;

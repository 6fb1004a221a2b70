-- What Debezium needs besides the table: a heartbeat and the publication. The slot follows, made as cdc.
--
-- The heartbeat moves the slot forward while the outbox is silent and other tables fill the log; it has to be
-- published to be seen, but Debezium does not capture it.

create table cdc_heartbeat (
    id integer     not null default 1,
    at timestamptz not null,

    constraint cdc_heartbeat_pkey  primary key (id),
    constraint cdc_heartbeat_check check (id = 1)
);

comment on table cdc_heartbeat is 'One row that Debezium touches every few seconds, so that the slot moves when the outbox does not.';

insert into cdc_heartbeat (at) values (now());

grant select, update on cdc_heartbeat to cdc;

-- Through the root: rows are published as the outbox's whatever partition they lie in, today's and later ones.
create publication outbox for table outbox, cdc_heartbeat
    with (publish = 'insert, update', publish_via_partition_root = true);

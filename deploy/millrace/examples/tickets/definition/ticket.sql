create table ticket (
    like projection_row including all,

    title     text,
    opened_at timestamptz
);

comment on table ticket is 'A ticket that is open.';
comment on column ticket.title is 'Personal: what is wrong, in somebody''s words.';
comment on column ticket.opened_at is 'When it was opened.';

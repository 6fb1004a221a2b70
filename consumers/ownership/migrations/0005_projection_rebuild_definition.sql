-- From which definition the tables of an edition that is being made were made.
alter table projection_rebuild add column definition text not null default '';
comment on column projection_rebuild.definition is 'The SQL that made its tables; with another one it is begun anew.';

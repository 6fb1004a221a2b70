-- A publication of this database and what it publishes.
select
    pubname::text as name,
    puballtables as all_tables,
    pubviaroot as via_partition_root,
    pubinsert as insert,
    pubupdate as update,
    array(
        select schemaname || '.' || tablename from pg_publication_tables as published
        where published.pubname = publication.pubname order by 1
    ) as tables,
    array(
        select prrelid::regclass::text from pg_publication_rel
        where prpubid = publication.oid and (prqual is not null or prattrs is not null) order by 1
    ) as narrowed
from pg_publication as publication
where pubname = $1

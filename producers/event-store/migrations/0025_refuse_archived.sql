-- What was pruned because its aggregate was withdrawn is not missed: a withdrawal takes the state back to before the first
-- event, so the history that counts begins with it, and a load begins there on purpose. What is in an archive and counts
-- still refuses.
create or replace function refuse_archived(aggregate uuid, after_version bigint, until_version bigint)
returns void language plpgsql stable security invoker set search_path = pg_catalog, public, pg_temp as $$
declare
    through   bigint;
    withdrawn bigint;
begin
    select max(p.to_version) filter (where p.reason = 'archived'), max(p.to_version) filter (where p.reason = 'withdrawn')
    into through, withdrawn
    from pruned as p where p.aggregate_id = aggregate and p.restored_by is null;
    if through > after_version and through > coalesce(withdrawn, 0)
        and (until_version is null or until_version > after_version)
    then
        raise exception 'versions up to % of aggregate % are archived', through, aggregate
            using errcode = 'no_data_found', constraint = 'event_store_is_archived', detail = through::text;
    end if;
end
$$;

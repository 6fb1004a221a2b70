-- Projectors copy many rows into a temporary table first, since what is guarded by row takes no COPY.
do $$ begin
    execute format('grant temporary on database %I to views_writer', current_database());
end $$;

-- Forgets what is older than it is kept for, from the oldest on, and leaves a mark.
with forgotten as (
    delete from projection_change
    where projection = $1
      and id < coalesce(
          (
              select id
              from projection_change
              where projection = $1 and written_at >= clock_timestamp() - $2 * interval '1 second'
              order by id
              limit 1
          ),
          9223372036854775807
      )
)
insert into projection_change (projection) values ($1)

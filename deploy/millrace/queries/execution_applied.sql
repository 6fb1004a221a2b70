-- Events that the rows of the view have taken in: versions are gapless from 1.
select coalesce(sum(version), 0)::bigint from execution

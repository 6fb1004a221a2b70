-- Adds differences to the totals of this partition.
insert into {table} as t (tenant_id, source_partition{columns})
select x.tenant_id, x.source_partition{x_columns}
from json_to_recordset($1::json) as x (tenant_id text, source_partition integer{typed_columns})
on conflict ({key}) do update set {sums}

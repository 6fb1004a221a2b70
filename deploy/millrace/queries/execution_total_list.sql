select tenant_id, repository, model_name, to_jsonb(execution_total) - array['tenant_id', 'repository', 'model_name', 'source_partition'] as amounts
from execution_total

-- Whose rows this transaction is about.
select set_config('millrace.tenant', $1, true)

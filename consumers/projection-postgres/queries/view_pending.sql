-- Where rows come by COPY on their way into the table, empty again after every transaction.
create temporary table if not exists {table}_pending (like {table} including defaults) on commit delete rows

-- Seconds since Debezium last touched its heartbeat.
select extract(epoch from clock_timestamp() - at)::double precision from cdc_heartbeat

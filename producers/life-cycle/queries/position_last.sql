-- The last position that was taken.
select case when s.is_called then s.last_value else 0 end from event_store_position_seq as s

-- The owner of the tables switches editions of views, and keeps where each stood: at its first parked record.
create policy parked_key_owner on parked_key for select to owner using (true);

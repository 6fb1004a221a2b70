-- Where a follower's lanes stand.
select lane, position from subscription_checkpoint where name = $1

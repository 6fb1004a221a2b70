-- Moves a follower's checkpoint if it is where the caller thinks.
select subscription_checkpoint_move($1, $2, $3, $4)

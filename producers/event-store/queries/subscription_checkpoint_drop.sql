-- Forgets how far a follower has come.
select subscription_checkpoint_drop($1)

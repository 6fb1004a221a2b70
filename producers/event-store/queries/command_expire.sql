-- Forgets at most so many answers to commands that are older than so many seconds.
select command_expire(now() - make_interval(secs => $1), $2)

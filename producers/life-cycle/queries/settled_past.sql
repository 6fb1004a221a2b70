-- Whether every append that had taken a position before this question has ended by now.
select settled_position() >= $1

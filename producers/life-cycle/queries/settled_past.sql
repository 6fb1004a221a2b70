-- Whether every append that had taken a position before this question has ended by now.
select ended_position() >= $1

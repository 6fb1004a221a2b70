-- A feed that is not written on is none.
delete from projection_change where projection = $1

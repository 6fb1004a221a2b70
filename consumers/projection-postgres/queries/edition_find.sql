-- Which edition of a projection's views is read and written.
select edition from projection_edition where projection = $1

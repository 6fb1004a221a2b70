-- A stream's metadata, if it has any.
select revision, metadata from read_stream_metadata($1, $2)

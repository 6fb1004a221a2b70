-- Sets a stream's metadata at an expected revision; what is there then.
select outcome, revision, metadata from set_stream_metadata($1, $2, $3, $4, $5)

-- Up to where nothing can appear any more.
select projection_change_settled()

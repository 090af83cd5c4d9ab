"""The release: what may leave the building, what is refused, and the search for what must stay."""

"""The release: what may be published, what is refused, and the search for what must stay at the site."""

"""Everything in a cluster that expires: what is on disk, what is served, what is wrong with it."""

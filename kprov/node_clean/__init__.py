"""Making room on a node without harm: the look at what lies there, and what of it nobody needs any more."""

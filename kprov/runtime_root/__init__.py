"""Moving a node's container runtime to another root directory: the look before it, and what may stand against it."""

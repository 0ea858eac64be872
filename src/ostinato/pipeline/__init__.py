"""The graph of stages: what it says, what it costs, and how far it is."""

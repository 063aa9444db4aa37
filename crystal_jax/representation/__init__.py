"""How a crystal is shown to a network."""

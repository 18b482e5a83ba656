"""The models that this server offers: their cards, aliases and notes, and the pulls that bring new ones."""

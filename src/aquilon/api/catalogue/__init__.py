"""Routes of models, aliases and upstreams."""

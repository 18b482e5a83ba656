"""From a canonical request to its events: templates, tokens, local models and upstreams."""

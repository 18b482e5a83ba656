"""Commands: parse, call, render. No logic lives here."""

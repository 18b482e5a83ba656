"""Pure rules and values of the platform: no HTTP, no database, no clock of their own."""

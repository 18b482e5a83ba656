"""The API platform: routes, accounts and keys, storage."""

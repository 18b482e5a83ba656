"""Routes of organizations, members, keys, invitations and sign-in."""

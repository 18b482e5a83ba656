"""What people do to organizations, workspaces, members and keys.

Each action checks permission and is written in the audit log.
The routes and the command line call the same functions; each is one transaction.
"""

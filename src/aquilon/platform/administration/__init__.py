"""What people do to organizations, workspaces, members and keys: permission asked, done, and written in the audit log.

The routes and the command line call the same functions; each is one transaction.
"""

"""Changes to organizations, workspaces, members and keys.

Each action checks permissions and writes an audit entry, in one transaction. The routes
and the command line call the same functions.
"""

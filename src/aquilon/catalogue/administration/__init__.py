"""What operators change about models, and the audit log of it."""

"""What operators change about models. Each change is on the audit log."""

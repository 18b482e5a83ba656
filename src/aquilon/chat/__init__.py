"""What people keep around their conversations, each subject with its rules, its tables and its queries."""

"""Routes of files and batch jobs."""

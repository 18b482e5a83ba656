"""Work that outlives a request: uploaded files, and batch jobs over them."""

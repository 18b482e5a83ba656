"""Where all routes are put together into one application, with the built front end."""

"""One module for each annotation format, and what they share."""

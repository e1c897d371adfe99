"""Another service, fetched from."""

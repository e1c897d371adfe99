"""Another service: its client, and the route that fetches paths of it."""

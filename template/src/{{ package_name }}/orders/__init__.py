"""Orders of users."""

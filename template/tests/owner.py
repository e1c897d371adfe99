"""What your own code needs in the tests that came with the service; no update changes this file."""

SETTINGS: dict[str, str] = {}
"""A value for each setting of yours that has no default, such as ``{"API_KEY": "test"}``."""

"""The service; ``main`` puts it together."""

"""Liveness and readiness for whoever routes requests to this process."""

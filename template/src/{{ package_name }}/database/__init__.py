"""Engines, sessions, repositories, and what database errors mean."""

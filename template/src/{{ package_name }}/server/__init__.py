"""What surrounds the application in its process."""

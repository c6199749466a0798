"""What every kind has."""

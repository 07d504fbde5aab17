"""What `scripts/setup.py` fetches image sets with; Python's standard library only."""

"""What the packages below us keep to themselves; imports nothing of ours."""

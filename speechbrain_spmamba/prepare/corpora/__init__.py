"""What is on disk before anything is mixed, found, checked and described."""

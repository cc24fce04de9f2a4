"""What the master does about its workers while they serve."""

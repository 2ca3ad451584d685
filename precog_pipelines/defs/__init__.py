"""What Dagster sees, one folder per stage."""

"""Reference pages generated from what they describe, so that they cannot say anything else."""

"""Floor 4: runs the two code locations as one product.

The specification has three packages; starting servers, bootstrapping a new home and printing the
summary need both code locations, which must not know each other, so they live above them.
"""

"""The environments: one file each, a builder function that returns tables with their parties."""

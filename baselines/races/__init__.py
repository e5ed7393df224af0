"""Races of `multiparty bench`: ours beside a peer."""

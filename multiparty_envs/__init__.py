"""Gymnasium environments for multi-party alignment."""

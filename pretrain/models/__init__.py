"""Encoders: frames in, features out."""

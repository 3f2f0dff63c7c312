"""Audits: each module asks one question of data, features or scores, and answers in one form."""

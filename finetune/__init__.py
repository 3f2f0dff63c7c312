"""Finetuning on AU labels, honest scores, registered models and prediction."""

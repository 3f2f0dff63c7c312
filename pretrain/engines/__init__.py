"""What trains an objective's parameters: DeepSpeed's ZeRO stages, and torch's data-parallel twin."""

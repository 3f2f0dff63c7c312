"""The networks that become registered models: encoder, heads, and values with units out."""

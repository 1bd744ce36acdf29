"""The TFX pipeline: what runs in which order, and the runner for one machine."""

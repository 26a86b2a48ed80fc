"""Timings, side by side with others on one core and of forms of a step on an accelerator."""

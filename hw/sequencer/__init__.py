"""What makes the parts of the accelerator work together: programs and counters."""

"""What computes: the Amaranth gateware and its build flow. Imports golden and firmware."""

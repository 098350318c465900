"""The USB twin: a host controller's bus in front of the simulated device core and accelerator."""

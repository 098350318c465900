"""What drives: devices, transports and the trine command. Imports firmware and golden; hw and sim only on demand."""

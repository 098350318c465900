"""What imitates: native cycle-accurate models of the gateware. Imports hw."""

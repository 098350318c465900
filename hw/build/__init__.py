"""From a component to a routed report: synthesis, place and route, and what they found out, with open tools only."""

"""A whole community on one machine: services, market clock, meters, participants, and the three processes."""

"""What is loaded: instruction set, link protocol, configuration, compiler, functional machine. Imports golden."""

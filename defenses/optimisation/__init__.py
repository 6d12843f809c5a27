"""How peers and server optimise: no defenses in themselves, but what defenses are combined with."""

"""One room under every prediction route."""

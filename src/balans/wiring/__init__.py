"""The only places that build adapters from the configuration."""

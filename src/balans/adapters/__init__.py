"""Outside protocols and services; none knows another."""

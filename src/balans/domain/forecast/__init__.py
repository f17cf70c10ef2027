"""Forecasts of a site's power from its own past: causal, robust to gaps, with their spread."""

from balans.domain.forecast.grid import Grid
from balans.domain.forecast.similar import (
    Forecast,
    forecast_load,
    forecast_production,
    spread_days,
)

__all__ = ["Forecast", "Grid", "forecast_load", "forecast_production", "spread_days"]

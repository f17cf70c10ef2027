"""Virtual meters, modules, sensors and actuators that speak the real wire only."""

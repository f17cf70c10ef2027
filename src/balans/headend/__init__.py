"""The server daemon that talks to hubs: MQTT to database and back."""

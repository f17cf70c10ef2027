"""The process of the embedded broker: ``python -m balans.adapters.localmqtt.serve FILE [UID GID]``.

Everything is imported while still root, then the process becomes the user it was told to be:
that user need not be able to read the virtual environment.
"""

import logging
import os
import signal
import sys

from balans.supervision.child import end_with_parent


def main(arguments: list[str]) -> None:
    """Serve with the configuration in the file named first, until killed."""
    parent = os.getppid()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    # The broker logs every packet as an error of this name.
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
    from iotcore.iotcore import IotCoreBroker

    broker = IotCoreBroker(config_path=arguments[0])
    if len(arguments) == 3:
        os.setgroups([])
        os.setgid(int(arguments[2]))
        os.setuid(int(arguments[1]))
        end_with_parent(signal.SIGTERM, parent)
    broker.run_forever()


if __name__ == "__main__":
    main(sys.argv[1:])

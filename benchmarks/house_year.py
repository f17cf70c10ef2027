"""A year of minutes for benchmarks, made of the recorded weeks that the package carries."""

from pathlib import Path

import numpy as np

from balans.simulator.recording import town_minutes

STEPS = 527_040
SITE = """
[site]
name = "house"
profile = "profile.csv"
timezone = "Europe/Paris"
[[limit]]
name = "contract"
source = "operator"
kw = {kw:g}
[[load]]
name = "heat"
class = "yellow"
[[load]]
name = "wash"
class = "green"
rated_w = 2200
"""


def write_year(folder: Path, kw: float) -> Path:
    """Write SITE.toml and a profile of 366 days with two loads; return the path of the site."""
    recording = town_minutes()
    heat, wash = recording.heat_w, recording.laundry_w
    curves = [recording.total_w - heat - wash, heat, wash]
    columns = [np.resize(curve.ravel(), STEPS).tolist() for curve in curves]
    minutes = np.datetime64("2008-01-01T00:00", "s") + np.arange(STEPS) * np.timedelta64(60, "s")
    rows = zip(minutes.astype(str).tolist(), *columns, strict=True)
    with (folder / "profile.csv").open("w") as file:
        file.write("time,base_w,heat_w,wash_w\n")
        file.writelines("{},{},{},{}\n".format(*row) for row in rows)
    (folder / "SITE.toml").write_text(SITE.format(kw=kw))
    return folder / "SITE.toml"

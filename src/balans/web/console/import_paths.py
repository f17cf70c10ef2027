"""The addresses of imports, and of the registry as a file."""

from django.urls import path

from balans.web.console import imports
from balans.web.console.import_run import run

import_paths = [
    path("imports/", imports.imports_page, name="imports"),
    path("imports/run/", run, name="import-run"),
    path("imports/<int:number>/", imports.import_page, name="import"),
    path("imports/<int:number>/file/", imports.import_file, name="import-file"),
    path("registry.xlsx", imports.registry_file, {"form": "xlsx"}, name="registry-xlsx"),
    path("registry.csv", imports.registry_file, {"form": "csv"}, name="registry-csv"),
]

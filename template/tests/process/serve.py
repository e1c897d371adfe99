"""Serves as the package does, with the routes of the tests' own resource."""

import runpy

from {{ package_name }} import main

from tests.conftest import make_app

# Workers import this module too, unlike a __main__ of a package.
main.create_app = make_app

if __name__ == "__main__":
    runpy.run_module("{{ package_name }}", run_name="__main__")

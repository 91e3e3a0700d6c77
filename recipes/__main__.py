"""`python -m recipes <recipe> [options]`, which the run.sh of an egs folder calls."""

import importlib
import pkgutil
import sys

import recipes
from audiogen.errors import nearest


def main() -> int:
    """Run the recipe that the first argument names with the options that follow."""
    known = sorted(module.name for module in pkgutil.iter_modules(recipes.__path__) if module.name[-1].isdigit())
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in known:
        sys.stderr.write(f"expected a recipe, got {name!r}. Nearest known: {nearest(name, known)}.\n")
        return 2
    from recipes.runner import main as run

    return run(importlib.import_module(f"recipes.{name}").RECIPE, sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())

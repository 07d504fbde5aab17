#!/usr/bin/env python3
"""Runs the code of a notebook, cell by cell, without Jupyter, and saves the figures that it draws.

    SWEEP=results/quick python3 scripts/run_notebook.py examples/read_a_sweep.ipynb pictures

Exit code 1 where a cell fails, or where one that calls `plt.subplots` draws nothing.
"""

import argparse
import json
import sys
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument("pictures", type=Path, help="the folder for the figures, PNG")
    arguments = parser.parse_args()
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    arguments.pictures.mkdir(parents=True, exist_ok=True)
    cells = json.loads(arguments.notebook.read_text())["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    names, drawn = {}, 0
    for number, source in enumerate(sources, 1):
        exec(compile(source, f"{arguments.notebook.name}, code cell {number}", "exec"), names)
        figures = [pyplot.figure(figure) for figure in pyplot.get_fignums()]
        if "plt.subplots" in source and not (figures and all(axes.has_data() for axes in figures[-1].axes)):
            sys.exit(f"{arguments.notebook}: code cell {number} has drawn nothing")
        for figure in figures:
            drawn += 1
            figure.savefig(arguments.pictures / f"{arguments.notebook.stem}-{drawn}.png", dpi=120)
        pyplot.close("all")
    print(f"{arguments.notebook}: {len(sources)} code cells, {drawn} figures in {arguments.pictures}")


if __name__ == "__main__":
    main()

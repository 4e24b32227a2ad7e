"""Draws the figure `clients`: messages a second and memory against clients, as SVG."""
import statistics
import subprocess

SCRIPT = """
set terminal svg size 900,380 font "sans-serif,12" background "white"
set output "%s"
set logscale xy
set grid
set xlabel "clients"
set key top left
set multiplot layout 1,2
set title "delivered messages a second"
plot %s
set title "private memory with idle clients, MiB"
plot %s
"""


def draw(path, steps, results):
    """results: {server: {"rateN" and "mibN": [a value for each round]}} for N in steps."""
    blocks, curves = [], {"rate": [], "mib": []}
    for i, (server, rounds) in enumerate(results.items()):
        name = "$d%d" % i
        rows = ["%d %g %g" % (n, statistics.median(rounds["rate%d" % n]),
                              max(0.01, statistics.median(rounds["mib%d" % n])))
                for n in steps]
        blocks.append("%s << END\n%s\nEND\n" % (name, "\n".join(rows)))
        for column, key in ((2, "rate"), (3, "mib")):
            curves[key].append('%s using 1:%d with linespoints lw 2 title "%s"' % (
                name, column, server))
    script = "".join(blocks) + SCRIPT % (path, ", ".join(curves["rate"]),
                                         ", ".join(curves["mib"]))
    subprocess.run(["gnuplot"], input=script, text=True, check=True)

/** The open book of continuous trading as the energy that stands at each price or better. */

import uPlot from "uplot";
import { axis, type Column, colour, Drawing, MICRO_PER_CENT, rows } from "./plot.js";

const HEIGHT = 200;
const WH_PER_KWH = 1000;

/** Columns: price, and the energy asked for at it or above, and offered at it or below. */
function columns(): uPlot.AlignedData {
  const levels = rows("level").map(([side = "", price = "0", energy = "0"]) => ({ side, price: Number(price) / MICRO_PER_CENT, energy: Number(energy) / WH_PER_KWH }));
  const prices = [...new Set(levels.map((level) => level.price))].sort((one, other) => one - other);
  const reached = (side: string, counts: (level: number, at: number) => boolean): Column =>
    prices.map((at) => levels.filter((level) => level.side === side && counts(level.price, at)).reduce((sum, level) => sum + level.energy, 0) || null);
  return [prices, reached("buy", (level, at) => level >= at), reached("sell", (level, at) => level <= at)];
}

function options(width: number): uPlot.Options {
  const series = (name: string, align: -1 | 1): uPlot.Series => {
    const steps = uPlot.paths.stepped?.({ align });
    return { scale: "energy", stroke: () => colour(name), width: 2, ...(steps ? { paths: steps } : {}), points: { size: 5, fill: () => colour(name) } };
  };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false },
    scales: { x: { time: false }, energy: { range: (_plot, _low, high) => [0, (high || 1) * 1.1] } },
    axes: [{ ...axis("x", 2), space: 56 }, axis("energy", 3, true)],
    series: [{}, series("--demand", -1), series("--supply", 1)],
  };
}

/** Draws the depth where the page has a place for it; the result draws it anew. */
export function startDepth(): () => void {
  const box = document.getElementById("depth");
  if (box === null) return () => undefined;
  const drawing = new Drawing(box, options, HEIGHT);
  const draw = (): void => drawing.show(columns());
  draw();
  return draw;
}

/** Energy of a meter slot by slot: taken above the line, fed in below it. */

import uPlot from "uplot";
import { axis, colour, Drawing, HEIGHT, rows, timeAxis } from "./plot.js";

const WH_PER_KWH = 1000;

function columns(): uPlot.AlignedData {
  const found = rows("energy")
    .map((row) => row.map(Number))
    .sort(([one = 0], [other = 0]) => one - other);
  return [found.map(([at = 0]) => at), found.map(([, taken = 0]) => taken / WH_PER_KWH), found.map(([, , fed = 0]) => -fed / WH_PER_KWH)];
}

function options(width: number): uPlot.Options {
  const bars = uPlot.paths.bars?.({ size: [0.8, 24], align: 1 });
  const series = (name: string): uPlot.Series => ({ scale: "energy", fill: () => colour(name), width: 0, ...(bars ? { paths: bars } : {}), points: { show: false } });
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false },
    axes: [
      timeAxis(),
      { ...axis("energy", 3, true), values: (_plot, ticks) => ticks.map((tick) => Math.abs(tick).toLocaleString("en", { maximumFractionDigits: 3 })) },
    ],
    series: [{}, series("--demand"), series("--supply")],
  };
}

/** Draws the meter's energy where the page has a place for it; the result draws it anew. */
export function startMeter(): () => void {
  const box = document.getElementById("meter-chart");
  if (box === null) return () => undefined;
  const drawing = new Drawing(box, options);
  const draw = (): void => drawing.show(columns());
  draw();
  return draw;
}

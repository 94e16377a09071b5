/** Candles of price and bars of traded energy; ahead of them what is usual at the time of day. */

import uPlot from "uplot";
import { axis, type Column, colour, Drawing, HEIGHT, MICRO_PER_CENT, rows, timeAxis } from "./plot.js";

const WH_PER_KWH = 1000;
const NARROWEST = 3;
const WIDEST = 14;

interface Candle {
  at: number;
  prices: [number, number, number, number];
  energy: number;
}

/** Open, high, low, close in cents; a row's numbers are start, those four in micro, and Wh. */
function candles(): Candle[] {
  return rows("candle")
    .map((row) => row.map(Number))
    .map(([at = 0, ...rest]) => ({
      at,
      prices: rest.slice(0, 4).map((price) => price / MICRO_PER_CENT) as Candle["prices"],
      energy: (rest[4] ?? 0) / WH_PER_KWH,
    }))
    .sort((one, other) => one.at - other.at);
}

/** Columns: time, traded, open, high, low, close, and the usual price's low, middle and high. */
function columns(): uPlot.AlignedData {
  const found = candles();
  const usual = rows("usual").map((row) => row.map(Number));
  const times = [...new Set([...found.map((candle) => candle.at), ...usual.map(([at = 0]) => at)])].sort((a, b) => a - b);
  const blank = (): Column => times.map(() => null);
  const [traded, open, high, low, close, least, middle, most] = Array.from({ length: 8 }, blank) as [Column, Column, Column, Column, Column, Column, Column, Column];
  const place = new Map(times.map((at, index) => [at, index]));
  for (const candle of found) {
    const index = place.get(candle.at) ?? 0;
    traded[index] = candle.energy;
    [open[index], high[index], low[index], close[index]] = candle.prices;
  }
  for (const [at = 0, from = 0, half = 0, to = 0] of usual) {
    const index = place.get(at) ?? 0;
    [least[index], middle[index], most[index]] = [from / MICRO_PER_CENT, half / MICRO_PER_CENT, to / MICRO_PER_CENT];
  }
  return [times, traded, open, high, low, close, least, middle, most];
}

/** Draws the candles themselves: a line from lowest to highest, a body from first to last. */
function drawCandles(plot: uPlot): void {
  const [times, , open, high, low, close] = plot.data as (number | null)[][];
  if (times === undefined || open === undefined || high === undefined || low === undefined || close === undefined) return;
  const context = plot.ctx;
  const width = Math.max(NARROWEST, Math.min(WIDEST, (plot.bbox.width / times.length) * 0.6));
  context.save();
  times.forEach((at, index) => {
    const [first, top, bottom, last] = [open[index], high[index], low[index], close[index]];
    if (at === null || typeof first !== "number" || typeof top !== "number" || typeof bottom !== "number" || typeof last !== "number") return;
    const x = Math.round(plot.valToPos(at, "x", true));
    const y = (price: number): number => Math.round(plot.valToPos(price, "price", true));
    context.fillStyle = context.strokeStyle = colour(last < first ? "--supply" : "--price");
    context.lineWidth = 1.5 * devicePixelRatio;
    context.beginPath();
    context.moveTo(x, y(top));
    context.lineTo(x, y(bottom));
    context.stroke();
    const from = Math.min(y(first), y(last));
    context.fillRect(x - width / 2, from - devicePixelRatio, width, Math.max(2 * devicePixelRatio, Math.abs(y(first) - y(last))));
  });
  context.restore();
}

/** Half a bar of room at both ends, so that the first and the last are whole. */
function withRoom(plot: uPlot, from: number, to: number): [number, number] {
  const times = plot.data[0];
  const half = times.length > 1 ? (to - from) / (times.length - 1) / 2 : 450;
  return [from - half, to + half];
}

function options(width: number): uPlot.Options {
  const bars = uPlot.paths.bars?.({ size: [0.8, 60], align: 0 });
  const hidden: uPlot.Series = { scale: "price", paths: () => null, points: { show: false } };
  const usual = (dash: number[]): uPlot.Series => ({ scale: "price", stroke: () => colour("--usual"), width: 1, dash, points: { show: false } });
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { points: { show: false }, y: false },
    scales: {
      x: { time: true, range: withRoom },
      price: { range: (_plot, low, high) => uPlot.rangeNum(low ?? 0, high ?? 1, 0.12, true) },
      volume: { range: (_plot, _low, high) => [0, (high || 1) * 2.2] },
    },
    axes: [
      timeAxis(),
      axis("price", 3, true),
      axis("volume", 1),
    ],
    series: [{}, { scale: "volume", fill: () => colour("--volume"), width: 0, ...(bars ? { paths: bars } : {}), points: { show: false } }, hidden, hidden, hidden, hidden, usual([]), usual([4, 3]), usual([])],
    bands: [{ series: [8, 6], fill: () => colour("--usual-ground") }],
    hooks: { draw: [drawCandles] },
  };
}

/** Draws the chart where the page has one; the result draws it anew from fresh numbers. */
export function startChart(): () => void {
  const box = document.getElementById("chart");
  if (box === null) return () => undefined;
  const drawing = new Drawing(box, options);
  const draw = (): void => drawing.show(columns());
  draw();
  return draw;
}

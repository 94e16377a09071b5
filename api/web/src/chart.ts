/** Clearing price and traded energy of the zone's slots. */

import uPlot from "uplot";

interface Slot {
  delivery_start: string;
  clearing_price_per_kwh: string | null;
  matched_wh: string | null;
}

const HEIGHT = 240;
const PAST = 96;
const MICRO_PER_CENT = 10_000;
const TIME_STEPS_S = [0.25, 0.5, 1, 2, 3, 6, 12, 24].map((hours) => hours * 3600);

type Column = (number | null)[];
type Columns = [number[], Column, Column];

function columns(slots: Slot[]): Columns {
  const shown = slots.filter((slot) => slot.matched_wh !== null);
  const starts = shown.map((slot) => Date.parse(slot.delivery_start) / 1000);
  const volumes: Column = shown.map((slot) => Number(slot.matched_wh) / 1000);
  const prices: Column = shown.map((slot) =>
    slot.clearing_price_per_kwh === null ? null : Number(slot.clearing_price_per_kwh) / MICRO_PER_CENT,
  );
  const [last, before] = [starts.at(-1), starts.at(-2)];
  if (last === undefined || before === undefined) return [starts, volumes, prices];
  // The last slot is as wide as the others: its price holds until it ends.
  return [[...starts, 2 * last - before], [...volumes, null], [...prices, prices.at(-1) ?? null]];
}

async function load(zone: string): Promise<Columns> {
  const answer = await fetch(`/v1/markets/${encodeURIComponent(zone)}/slots?past=${PAST}`);
  if (!answer.ok) throw new Error(`slots: ${answer.status}`);
  const page = (await answer.json()) as { items: Slot[] };
  return columns(page.items);
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function utc(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(11, 16);
}

function axis(scale: string, side: number): uPlot.Axis {
  return {
    scale,
    side,
    size: 52,
    stroke: () => colour("--soft"),
    grid: { show: scale === "price", stroke: () => colour("--line"), width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
  };
}

function options(width: number): uPlot.Options {
  const bars = uPlot.paths.bars?.({ size: [0.8, 120], align: 1 });
  const steps = uPlot.paths.stepped?.({ align: 1 });
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { points: { size: 7 }, y: false },
    scales: { x: { time: true }, price: {}, volume: { range: (_plot, _low, high) => [0, (high || 1) * 1.6] } },
    axes: [
      { ...axis("x", 2), size: 30, grid: { show: false }, incrs: TIME_STEPS_S, values: (_plot, seconds) => seconds.map(utc) },
      axis("price", 3),
      axis("volume", 1),
    ],
    series: [
      {},
      {
        scale: "volume",
        fill: () => colour("--volume"),
        width: 0,
        ...(bars ? { paths: bars } : {}),
        points: { show: false },
      },
      {
        scale: "price",
        stroke: () => colour("--price"),
        width: 2,
        ...(steps ? { paths: steps } : {}),
        points: { show: false },
      },
    ],
  };
}

/** Draws the chart where the page has one; the result draws it anew from fresh numbers. */
export function startChart(): () => void {
  const box = document.getElementById("chart");
  const zone = box?.dataset["zone"];
  if (box === null || zone === undefined) return () => undefined;
  let plot: uPlot | undefined;
  const draw = async (): Promise<void> => {
    const data = await load(zone);
    box.classList.toggle("waiting", data[0].length === 0);
    if (plot !== undefined) {
      plot.setData(data);
      return;
    }
    box.replaceChildren();
    box.classList.add("drawn");
    plot = new uPlot(options(box.clientWidth), data, box);
  };
  const redraw = (): void => {
    draw().catch((error: unknown) => console.info("chart not drawn:", error));
  };
  new ResizeObserver(() => plot?.setSize({ width: box.clientWidth, height: HEIGHT })).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot?.redraw());
  redraw();
  return redraw;
}

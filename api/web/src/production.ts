/** Energy of a plant by day, beside what the weather would have let it give. */

import uPlot from "uplot";

import { ask } from "./ask.js";

interface Step {
  start: string;
  energy_wh: string;
  expected_wh: string | null;
}

type Series = [number[], number[], (number | null)[]];

const HEIGHT = 200;
const DAYS = 31;
const DAY_S = 86_400;

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

async function load(asset: string, today: Date): Promise<Series> {
  const end = new Date(Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), today.getUTCDate() + 1));
  const start = new Date(end.getTime() - DAYS * DAY_S * 1000);
  const query = new URLSearchParams({ start: start.toISOString(), end: end.toISOString(), step: "day" });
  const { items } = await ask<{ items: Step[] }>("GET", `/v1/assets/${asset}/production?${query}`);
  return [
    items.map((step) => Date.parse(step.start) / 1000),
    items.map((step) => Number(step.energy_wh) / 1000),
    items.map((step) => (step.expected_wh === null ? null : Number(step.expected_wh) / 1000)),
  ];
}

function options(width: number, days: number[]): uPlot.Options {
  const span: [number, number] = [(days[0] ?? 0) - DAY_S / 2, (days.at(-1) ?? 0) + DAY_S / 2];
  const bars = uPlot.paths.bars?.({ size: [0.7, 60] });
  const axis = { stroke: () => colour("--soft"), ticks: { show: false }, font: "12px system-ui, sans-serif" };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    scales: { x: { time: true, range: () => span }, y: { range: (_plot, _low, high) => [0, (high || 1) * 1.1] } },
    axes: [
      { ...axis, incrs: [1, 2, 5, 10].map((days) => days * DAY_S), grid: { show: false }, values: (_plot, seconds) => seconds.map((at) => new Date(at * 1000).toISOString().slice(5, 10)) },
      { ...axis, size: 60, grid: { stroke: () => colour("--line"), width: 1 } },
    ],
    series: [
      {},
      { fill: () => colour("--price"), width: 0, ...(bars ? { paths: bars } : {}), points: { show: false } },
      { stroke: () => colour("--ink"), width: 2, paths: () => null, points: { show: true, size: 9, fill: () => colour("--ground") } },
    ],
  };
}

/** Draws where the page has a place for it. */
export function startProduction(): void {
  const box = document.getElementById("production-chart");
  const asset = box?.dataset["asset"];
  if (box === null || asset === undefined) return;
  const clock = document.querySelector<HTMLTimeElement>("[data-clock]")?.dateTime;
  load(asset, clock === undefined ? new Date() : new Date(clock)).then(
    (data) => {
      if (data[0].length === 0) return;
      box.classList.add("drawn");
      const plot = new uPlot(options(box.clientWidth, data[0]), data, box);
      new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: HEIGHT })).observe(box);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot.redraw());
    },
    (error: unknown) => console.info("production not drawn:", error),
  );
}

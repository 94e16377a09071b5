/** Energy of a plant by day. */

import uPlot from "uplot";

import { ask } from "./ask.js";

interface Step {
  start: string;
  energy_wh: string;
}

const HEIGHT = 200;
const DAYS = 31;
const DAY_S = 86_400;

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

async function load(asset: string, today: Date): Promise<[number[], number[]]> {
  const end = new Date(Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), today.getUTCDate() + 1));
  const start = new Date(end.getTime() - DAYS * DAY_S * 1000);
  const query = new URLSearchParams({ start: start.toISOString(), end: end.toISOString(), step: "day" });
  const { items } = await ask<{ items: Step[] }>("GET", `/v1/assets/${asset}/production?${query}`);
  return [items.map((step) => Date.parse(step.start) / 1000), items.map((step) => Number(step.energy_wh) / 1000)];
}

function options(width: number): uPlot.Options {
  const bars = uPlot.paths.bars?.({ size: [0.7, 60], align: 1 });
  const axis = { stroke: () => colour("--soft"), ticks: { show: false }, font: "12px system-ui, sans-serif" };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    scales: { x: { time: true, range: (_plot, low, high) => [low, Math.max(high, low) + DAY_S] }, y: { range: (_plot, _low, high) => [0, (high || 1) * 1.1] } },
    axes: [
      { ...axis, incrs: [1, 2, 5, 10].map((days) => days * DAY_S), grid: { show: false }, values: (_plot, seconds) => seconds.map((at) => new Date(at * 1000).toISOString().slice(5, 10)) },
      { ...axis, size: 60, grid: { stroke: () => colour("--line"), width: 1 } },
    ],
    series: [{}, { fill: () => colour("--price"), width: 0, ...(bars ? { paths: bars } : {}), points: { show: false } }],
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
      const plot = new uPlot(options(box.clientWidth), data, box);
      new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: HEIGHT })).observe(box);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot.redraw());
    },
    (error: unknown) => console.info("production not drawn:", error),
  );
}

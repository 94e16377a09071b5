/** What all charts share: they draw the numbers that the page's tables have, in the page's colours. */

import uPlot from "uplot";

export const HEIGHT = 240;
export const MICRO_PER_CENT = 10_000;
const HOUR_S = 3600;
const DAY_S = 24 * HOUR_S;
const TIME_STEPS_S = [0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 168, 336].map((hours) => hours * HOUR_S);
const FONT = "12px system-ui, sans-serif";

export type Column = (number | null)[];

export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function axis(scale: string, side: number, grid = false): uPlot.Axis {
  return {
    scale,
    side,
    size: side === 2 ? 30 : 52,
    stroke: () => colour("--soft"),
    grid: { show: grid, stroke: () => colour("--line"), width: 1 },
    ticks: { show: false },
    font: FONT,
  };
}

/** Times of day, UTC; days where the chart spans many. */
export function timeAxis(): uPlot.Axis {
  return {
    ...axis("x", 2),
    incrs: TIME_STEPS_S,
    space: 64,
    values: (plot, seconds) => {
      const { min, max } = plot.scales["x"] ?? {};
      const part = (max ?? 0) - (min ?? 0) > 3 * DAY_S ? [5, 10] : [11, 16];
      return seconds.map((at) => new Date(at * 1000).toISOString().slice(...part));
    },
  };
}

/** The numbers of the rows that carry this attribute, as the server wrote them. */
export function rows(attribute: string): string[][] {
  return [...document.querySelectorAll(`[data-${attribute}]`)].map((row) => (row.getAttribute(`data-${attribute}`) ?? "").split(","));
}

/** Keeps a chart in a box: made with the first numbers, as wide as the box, in the colours of day or night. */
export class Drawing {
  private plot: uPlot | undefined;

  constructor(
    private readonly box: HTMLElement,
    private readonly options: (width: number) => uPlot.Options,
    private readonly height = HEIGHT,
  ) {
    new ResizeObserver(() => this.plot?.setSize({ width: box.clientWidth, height })).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.plot?.redraw());
  }

  show(data: uPlot.AlignedData): void {
    this.box.hidden = data[0].length === 0;
    if (this.box.hidden) return;
    if (this.plot !== undefined) {
      this.plot.setData(data);
      return;
    }
    this.box.replaceChildren();
    this.box.classList.add("drawn");
    this.plot = new uPlot({ ...this.options(this.box.clientWidth), height: this.height }, data, this.box);
  }
}

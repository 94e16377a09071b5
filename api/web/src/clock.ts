/** Market time between two answers of the server: it runs at the rate the server names. */

const TICK_MS = 250;

function text(moment: Date): string {
  return moment.toISOString().slice(0, 19).replace("T", " ");
}

function run(element: HTMLElement): void {
  const start = Date.parse(element.dataset["clock"] ?? "");
  const rate = Number(element.dataset["rate"] ?? "1");
  if (Number.isNaN(start) || !(rate > 0)) return;
  const began = performance.now();
  setInterval(() => {
    element.textContent = text(new Date(start + (performance.now() - began) * rate));
  }, TICK_MS);
}

export function startClocks(): void {
  document.querySelectorAll<HTMLElement>("[data-clock]").forEach(run);
}

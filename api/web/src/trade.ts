/** The order ticket and what stands beside it. */

import { cancel, deposit, mandate, place, type Ticket, units } from "./order.js";
import { run } from "./run.js";

const KWH = 3;
const CENT = 4;
const CASH = 6;
const MICRO_WH_PER_CASH = 1_000n;

function text(form: HTMLFormElement, name: string): string {
  return (form.elements.namedItem(name) as HTMLInputElement | HTMLSelectElement | RadioNodeList | null)?.value ?? "";
}

function ticket(form: HTMLFormElement): Ticket {
  const { account = "", tick = "1", lot = "1" } = form.dataset;
  const energy = units(text(form, "energy"), KWH);
  const limit = units(text(form, "limit"), CENT);
  if (energy === undefined || energy <= 0n) throw new Error("How much energy? In kWh, three places at most.");
  if (limit === undefined) throw new Error("What limit? In cents per kWh, four places at most.");
  if (limit % BigInt(tick) !== 0n) throw new Error(`The limit must be a multiple of ${Number(tick) / 10_000} ct/kWh.`);
  if (energy % BigInt(lot) !== 0n) throw new Error(`The energy must be a multiple of ${lot} Wh.`);
  if (text(form, "delivery_start") === "") throw new Error("No slot is open now.");
  return {
    account,
    side: text(form, "side") === "sell" ? "sell" : "buy",
    zone: Number(text(form, "zone")),
    delivery_start: text(form, "delivery_start"),
    energy_wh: energy,
    limit_price_per_kwh: limit,
    time_in_force: text(form, "time_in_force") || "good_till_gate",
  };
}

/** What the order can come to at most, or at least, for the eye. */
function preview(form: HTMLFormElement): string {
  try {
    const { side, energy_wh, limit_price_per_kwh } = ticket(form);
    const cash = (energy_wh * limit_price_per_kwh) / MICRO_WH_PER_CASH;
    const shown = `${(Number(cash) / 10 ** CASH).toFixed(4)}`;
    const fee = Number(form.dataset["fee"] ?? 0) / 10_000;
    return side === "buy" ? `You pay at most ${shown}, grid fee of ${fee} ct/kWh included.` : `You receive at least ${shown} for all of it.`;
  } catch (error) {
    return error instanceof Error ? error.message : "";
  }
}

function startOrdering(form: HTMLFormElement): void {
  const cost = form.elements.namedItem("cost") as HTMLOutputElement;
  form.oninput = () => {
    cost.value = preview(form);
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    void run(form, async () => {
      const entered = await place(ticket(form));
      return `Taken: ${entered.status}, order ${entered.order_id.slice(0, 10)}…`;
    });
  };
}

function startCancelling(form: HTMLFormElement): void {
  const order = form.dataset["orderId"];
  if (order === undefined || form.ariaBusy === "true") return;
  for (const button of form.querySelectorAll("button")) button.disabled = false;
  form.onsubmit = (event) => {
    event.preventDefault();
    void run(form, () => cancel(order));
  };
}

function amount(form: HTMLFormElement, name: string): bigint {
  const found = units(text(form, name), CASH);
  if (found === undefined || found <= 0n) throw new Error("An amount above zero, six places at most.");
  return found;
}

function marketNow(): Date {
  const clock = document.querySelector<HTMLTimeElement>("[data-clock]")?.dateTime;
  return clock === undefined ? new Date() : new Date(clock);
}

/** Wires the forms of this page; the list of orders is drawn anew with the news, so its forms are found again each time. */
export function startTrading(): void {
  for (const form of document.querySelectorAll<HTMLFormElement>("form[data-order]")) startOrdering(form);
  for (const form of document.querySelectorAll<HTMLFormElement>("form[data-deposit]")) {
    form.onsubmit = (event) => {
      event.preventDefault();
      void run(form, async () => {
        await deposit(form.dataset["account"] ?? "", amount(form, "amount"));
        return "On its way into the vault.";
      });
    };
  }
  for (const form of document.querySelectorAll<HTMLFormElement>("form[data-mandate]")) {
    form.onsubmit = (event) => {
      event.preventDefault();
      void run(form, async () => {
        await mandate(form.dataset["account"] ?? "", amount(form, "slot"), amount(form, "all"), marketNow());
        return "On its way to the chain.";
      });
    };
  }
  watchOrders();
}

/** Switches the cancel buttons on, now and whenever the list is drawn anew. */
export function watchOrders(): void {
  for (const form of document.querySelectorAll<HTMLFormElement>("form[data-cancel]")) startCancelling(form);
}

/** Ending sessions and keys, making keys, and the devnet's faucet: what needs no wallet. */

import { ask, requestKey } from "./ask.js";
import { units } from "./order.js";
import { run } from "./run.js";

const DAY_MS = 86_400_000;
const CASH = 6;

function text(form: HTMLFormElement, name: string): string {
  return (form.elements.namedItem(name) as HTMLInputElement | null)?.value.trim() ?? "";
}

function whenSent(form: HTMLFormElement, work: () => Promise<string>): void {
  for (const button of form.querySelectorAll("button")) button.disabled = false;
  form.onsubmit = (event) => {
    event.preventDefault();
    void run(form, work);
  };
}

export function startEnding(form: HTMLFormElement): void {
  const path = form.dataset["end"] ?? "";
  whenSent(form, async () => {
    await ask("DELETE", path);
    location.reload();
    return "Ended.";
  });
}

/** Shows the new key once, here and nowhere else. */
export function startMakingKeys(form: HTMLFormElement): void {
  whenSent(form, async () => {
    const scopes = [...form.querySelectorAll<HTMLInputElement>("[name=scopes]:checked")].map((box) => box.value);
    if (scopes.length === 0) throw new Error("What may the key do?");
    const expires = new Date(Math.floor((Date.now() + Number(text(form, "days")) * DAY_MS) / 1000) * 1000);
    const made = await ask<{ text: string }>("POST", "/v1/auth/keys", { name: text(form, "name"), scopes, expires_at: expires.toISOString() });
    const place = document.querySelector<HTMLElement>("[data-secret]");
    const shown = place?.querySelector("code");
    if (place && shown) {
      shown.textContent = made.text;
      place.hidden = false;
      shown.focus();
    }
    return "Made. Keep it now: it is not shown again.";
  });
}

export function startFaucet(form: HTMLFormElement): void {
  whenSent(form, async () => {
    const amount = units(text(form, "amount"), CASH);
    if (amount === undefined || amount <= 0n) throw new Error("An amount above zero, six places at most.");
    await ask("POST", "/v1/faucet", { account: text(form, "account"), amount: amount.toString() }, { "Idempotency-Key": requestKey() });
    return "On its way: in the wallet once the transaction is mined, in some seconds.";
  });
}

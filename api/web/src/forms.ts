/** Wires the page's forms and buttons that need a wallet or a session; without scripts they stay off and say so. */

import { startEnding, startFaucet, startMakingKeys } from "./access.js";
import { buy, claim, decide } from "./invest.js";
import { FORMS, startOwn } from "./owner.js";
import { run } from "./run.js";
import { signedIn, signIn, signOut } from "./session.js";
import { startTrading } from "./trade.js";
import { findWallets, hasWallet } from "./wallet.js";

const PRICE_DECIMALS = 6;
const SHOWN_DECIMALS = 4;

/** Payment token units as the server writes them: four decimals, to the nearest. */
function cash(units: bigint): string {
  const step = 10n ** BigInt(PRICE_DECIMALS - SHOWN_DECIMALS);
  const rounded = (units + step / 2n) / step;
  const scale = 10n ** BigInt(SHOWN_DECIMALS);
  const whole = (rounded / scale).toString().replace(/\B(?=(\d{3})+$)/g, "\u202f");
  return `${whole}.${(rounded % scale).toString().padStart(SHOWN_DECIMALS, "0")}`;
}

function startBuying(form: HTMLFormElement): void {
  const { asset, price } = form.dataset;
  const count = form.elements.namedItem("fractions") as HTMLInputElement;
  const cost = form.elements.namedItem("cost") as HTMLOutputElement;
  if (asset === undefined || price === undefined) return;
  count.oninput = () => {
    cost.value = count.checkValidity() ? cash(BigInt(price) * BigInt(count.value)) : "–";
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    void run(form, async (say) => {
      await buy(asset, price, count.value, say);
      return "Bought: the fractions are yours once the transaction is mined, in some seconds.";
    });
  };
}

function startClaiming(form: HTMLFormElement): void {
  const { asset } = form.dataset;
  if (asset === undefined) return;
  form.onsubmit = (event) => {
    event.preventDefault();
    void run(form, async () => {
      await claim(asset);
      return "Asked for: your wallet is paid once the transaction is mined.";
    });
  };
}

function startDeciding(form: HTMLFormElement): void {
  const { user, appliedAt } = form.dataset;
  if (user === undefined || appliedAt === undefined) return;
  for (const button of form.querySelectorAll("button")) button.disabled = false;
  form.onsubmit = (event) => {
    event.preventDefault();
    const chosen = (event.submitter as HTMLButtonElement | null)?.value ?? "rejection";
    void run(form, async () => {
      await decide(user, appliedAt, chosen);
      location.reload();
      return "Decided.";
    });
  };
}

function startSigningIn(button: HTMLButtonElement): void {
  button.onclick = () => {
    void run(button, async () => {
      await signIn();
      location.reload();
      return "Signed in.";
    });
  };
}

async function showAccount(button: HTMLButtonElement): Promise<void> {
  const account = await signedIn();
  button.hidden = false;
  if (account === undefined) {
    button.textContent = "Sign in";
    startSigningIn(button);
    return;
  }
  button.textContent = `${account.slice(0, 6)}…${account.slice(-4)} · sign out`;
  button.disabled = false;
  button.onclick = () => {
    void run(button, async () => {
      await signOut();
      location.reload();
      return "";
    });
  };
}

const wired = new WeakSet<HTMLElement>();

/** Wires what has come to the page with the news; a form that is wired already may be at work. */
export function wireForms(): void {
  const waiting: HTMLElement[] = [];
  const wire = <Kind extends HTMLElement>(selector: string, start: (found: Kind) => void): void => {
    for (const found of document.querySelectorAll<Kind>(selector)) {
      if (wired.has(found)) continue;
      wired.add(found);
      start(found);
      waiting.push(found);
    }
  };
  wire("form[data-buy]", startBuying);
  wire("form[data-claim]", startClaiming);
  wire("form[data-decide]", startDeciding);
  wire("button[data-sign-in]", startSigningIn);
  for (const { selector, work, needsWallet } of FORMS) {
    wire<HTMLFormElement>(selector, (form) => startOwn(form, work, needsWallet));
  }
  const walletless = waiting.length;
  wire("form[data-end]", startEnding);
  wire("form[data-make-key]", startMakingKeys);
  wire("form[data-faucet]", startFaucet);
  waiting.length = walletless;
  if (!hasWallet()) return;
  for (const found of waiting) {
    for (const button of found instanceof HTMLButtonElement ? [found] : found.querySelectorAll("button")) button.disabled = false;
  }
}

/** Finds what needs a wallet on this page, and switches it on once there is one. */
export function startForms(): void {
  startTrading();
  wireForms();
  const own = document.querySelector<HTMLButtonElement>("button[data-account]");
  if (own !== null) void showAccount(own);
  findWallets(() => {
    if (!hasWallet()) return;
    const waiting = ["buy", "claim", "order", "deposit", "mandate", "offer", "pay-in"].map((name) => `form[data-${name}] button`).join();
    for (const button of document.querySelectorAll<HTMLButtonElement>(`${waiting}, [data-sign-in], button[data-account]`)) button.disabled = false;
    for (const line of document.querySelectorAll<HTMLElement>("[data-buy] [data-say]")) line.textContent = "Your wallet shows every field before you sign.";
  });
}

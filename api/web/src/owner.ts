/** What people do about themselves and their plants: apply, enter, offer, pay in, check papers. */

import { ask, requestKey } from "./ask.js";
import { same, signPermit } from "./invest.js";
import { run } from "./run.js";
import { Wallet } from "./wallet.js";

/** Keccak-256 of setOffer(uint96,uint96,uint64), its first four bytes. */
const SET_OFFER = "0x70ce70e2";
const PRICE_DECIMALS = 6;

type Fields = Record<string, string>;
type Work = (form: HTMLFormElement, fields: Fields, chosen: string) => Promise<string>;

interface Domain {
  name: string;
  version: string;
  chain_id: number;
  verifying_contract: string;
}

interface DepositTerms {
  depositor: string;
  token: string;
  amount: string;
  distribution_id: string;
  permit_nonce: string;
  deadline: string;
  asset_domain: Domain;
  payment_domain: Domain;
}

interface Contracts {
  chain_id: number;
  contracts: Record<string, string>;
}

function reload(said: string): string {
  location.reload();
  return said;
}

function units(price: string): bigint {
  const [whole, part = ""] = price.split(".");
  return BigInt((whole ?? "0") + part.padEnd(PRICE_DECIMALS, "0"));
}

function word(value: bigint): string {
  return value.toString(16).padStart(64, "0");
}

async function apply(_form: HTMLFormElement, fields: Fields): Promise<string> {
  const { roles = "", ...rest } = fields;
  await ask("PUT", "/v1/kyc/application", { ...rest, roles: roles === "" ? [] : [roles] });
  return reload("Sent: an administrator looks at it.");
}

async function personal(_form: HTMLFormElement, _fields: Fields, chosen: string): Promise<string> {
  if (chosen === "erase") {
    if (!confirm("Erase everything personal that is kept of you? Your clearance must then be applied for again.")) return "Nothing was erased.";
    await ask("DELETE", "/v1/kyc/personal-data");
    return reload("Erased.");
  }
  const found = await ask<unknown>("GET", "/v1/kyc/personal-data");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(found, null, 2)], { type: "application/json" }));
  link.download = "personal-data.json";
  link.click();
  URL.revokeObjectURL(link.href);
  return "Downloaded.";
}

async function register(_form: HTMLFormElement, fields: Fields): Promise<string> {
  const given = Object.entries(fields).filter(([, value]) => value !== "");
  const { asset } = await ask<{ asset: { id: string } }>("POST", "/v1/assets", Object.fromEntries(given));
  location.assign(`/assets/${asset.id}`);
  return "Entered.";
}

async function offer(form: HTMLFormElement, fields: Fields): Promise<string> {
  const { chain_id } = await ask<Contracts>("GET", "/v1/contracts");
  const wallet = await Wallet.open(chain_id);
  const until = BigInt(Date.parse(`${fields["until"]}T23:59:59Z`)) / 1000n;
  const data = SET_OFFER + word(units(fields["price"] ?? "")) + word(BigInt(fields["fractions"] ?? "")) + word(until);
  await wallet.send(form.dataset["token"] ?? "", data);
  return "Sent by your wallet: it stands here once it is mined.";
}

async function payIn(form: HTMLFormElement): Promise<string> {
  const { distribution = "", amount, token = "" } = form.dataset;
  const contracts = await ask<Contracts>("GET", "/v1/contracts");
  const wallet = await Wallet.open(contracts.chain_id);
  const terms = await ask<DepositTerms>("GET", `/v1/distributions/${distribution}/terms`);
  if (terms.amount !== amount) throw new Error("The amount has changed; look at it again.");
  if (!same(terms.depositor, wallet.account)) throw new Error(`This is paid in by the owner, ${terms.depositor}.`);
  if (!same(terms.token, token) || !same(terms.asset_domain.verifying_contract, token)) throw new Error("The token is not the one to sign for.");
  if (!same(terms.payment_domain.verifying_contract, contracts.contracts["PaymentToken"])) throw new Error("The money is not the market's payment token.");
  const deadline = Math.floor(Date.parse(terms.deadline) / 1000);
  const { name, version, chain_id: chainId, verifying_contract: verifyingContract } = terms.asset_domain;
  const signature = await wallet.sign({
    domain: { name, version, chainId, verifyingContract },
    primaryType: "Deposit",
    types: {
      Deposit: [
        { name: "depositor", type: "address" },
        { name: "amount", type: "uint256" },
        { name: "distributionId", type: "bytes32" },
        { name: "deadline", type: "uint256" },
      ],
    },
    message: { depositor: wallet.account, amount, distributionId: terms.distribution_id, deadline },
  });
  const permit = await signPermit(wallet, { ...terms, cost: terms.amount }, deadline);
  await ask("POST", `/v1/distributions/${distribution}/deposit`, { depositor: wallet.account, amount, deadline: terms.deadline, signature, permit });
  return "Passed on: holders can claim it once it is mined.";
}

async function check(form: HTMLFormElement): Promise<string> {
  const { faults } = await ask<{ faults: { code: string; detail?: string }[] }>("POST", form.dataset["path"] ?? "");
  if (faults.length > 0) throw new Error(faults.map((fault) => fault.code).join(", "));
  return "whole";
}

async function propose(form: HTMLFormElement, fields: Fields): Promise<string> {
  await ask("POST", `/v1/assets/${form.dataset["asset"]}/distributions`, fields, { "Idempotency-Key": requestKey() });
  return reload("Computed.");
}

async function agree(form: HTMLFormElement, _fields: Fields, decision: string): Promise<string> {
  await ask("POST", `/v1/distributions/${form.dataset["distribution"]}/decision`, { decision });
  return reload("Decided.");
}

/** Selector of each form, what it does, and whether that needs a wallet beside the session. */
export const FORMS: readonly { selector: string; work: Work; needsWallet: boolean }[] = [
  { selector: "form[data-apply]", work: apply, needsWallet: false },
  { selector: "form[data-personal]", work: personal, needsWallet: false },
  { selector: "form[data-register]", work: register, needsWallet: false },
  { selector: "form[data-check]", work: check, needsWallet: false },
  { selector: "form[data-propose]", work: propose, needsWallet: false },
  { selector: "form[data-agree]", work: agree, needsWallet: false },
  { selector: "form[data-offer]", work: offer, needsWallet: true },
  { selector: "form[data-pay-in]", work: payIn, needsWallet: true },
];

/** Makes a form do its work. */
export function startOwn(form: HTMLFormElement, work: Work, needsWallet: boolean): void {
  if (!needsWallet) for (const button of form.querySelectorAll("button")) button.disabled = false;
  form.onsubmit = (event) => {
    event.preventDefault();
    const fields: Fields = {};
    for (const [name, value] of new FormData(form)) if (typeof value === "string") fields[name] = value.trim();
    const chosen = (event.submitter as HTMLButtonElement | null)?.value ?? "";
    void run(form, () => work(form, fields, chosen));
  };
}

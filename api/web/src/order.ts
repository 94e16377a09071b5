/** Orders, deposits and mandates as the wallet signs them. Whole numbers only: Wh, micro-currency per kWh, cash units. */

import { ask } from "./ask.js";
import { type TypedData, Wallet } from "./wallet.js";

interface Domain {
  name: string;
  version: string;
  chain_id: number;
  verifying_contract: string;
}

interface Contracts {
  chain_id: number;
  contracts: Record<string, string>;
  exchange_domain: Domain;
  payment_token_domain: Domain;
}

export interface Ticket {
  account: string;
  side: "buy" | "sell";
  zone: number;
  delivery_start: string;
  energy_wh: bigint;
  limit_price_per_kwh: bigint;
  time_in_force: string;
}

interface Entered {
  order_id: string;
  status: string;
  energy_wh: string;
  limit_price_per_kwh: string;
  side: string;
  delivery_start: string;
}

interface Permit {
  token: Domain;
  spender: string;
  value: string;
  nonce: string;
  deadline: string;
}

const SIDES = ["buy", "sell"];
const TIMES_IN_FORCE = ["good_till_gate", "good_till_time", "immediate_or_cancel", "fill_or_kill"];
const LAST_LANE = 65_535;
const MANDATE_DAYS = 365;

const ORDER = "trader address,zone uint32,deliveryStart uint64,side uint8,energyWh uint48,limitPricePerKwh int48,minFillWh uint48,timeInForce uint8,source uint8,expiry uint32,lane uint16,nonce uint48";
const MANDATE = "account address,budgetPerSlot uint64,budget uint64,expiry uint32,nonce uint32";
const PERMIT = "owner address,spender address,value uint256,nonce uint256,deadline uint256";

function fields(text: string): { name: string; type: string }[] {
  return text.split(",").map((field) => {
    const [name = "", type = ""] = field.split(" ");
    return { name, type };
  });
}

function typed(domain: Domain, primaryType: string, text: string, message: TypedData["message"]): TypedData {
  const { name, version, chain_id: chainId, verifying_contract: verifyingContract } = domain;
  return { domain: { name, version, chainId, verifyingContract }, primaryType, types: { [primaryType]: fields(text) }, message };
}

/** Digits with an optional point, as a whole number of units; undefined where there are more places than units have. */
export function units(text: string, decimals: number): bigint | undefined {
  const found = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text.trim());
  const [, sign = "", whole = "", part = ""] = found ?? [];
  if (found === null || part.length > decimals) return undefined;
  const value = BigInt(whole + part.padEnd(decimals, "0"));
  return sign === "-" ? -value : value;
}

async function open(account: string): Promise<[Wallet, Contracts]> {
  const contracts = await ask<Contracts>("GET", "/v1/contracts");
  const wallet = await Wallet.open(contracts.chain_id);
  if (wallet.account.toLowerCase() !== account.toLowerCase()) {
    throw new Error("Your wallet shows another account than the one that is signed in.");
  }
  const exchange = contracts.contracts["SettlementExchange"];
  if (contracts.exchange_domain.verifying_contract.toLowerCase() !== exchange?.toLowerCase()) {
    throw new Error("The server names two exchanges; nothing was signed.");
  }
  return [wallet, contracts];
}

function seconds(time: string | Date): number {
  return Math.floor(new Date(time).getTime() / 1000);
}

/** Signs and posts an order; returns what the market made of it. */
export async function place(ticket: Ticket): Promise<Entered> {
  const [wallet, contracts] = await open(ticket.account);
  const start = seconds(ticket.delivery_start);
  const lane = 1 + (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) % LAST_LANE;
  const nonce = seconds(new Date());
  const signature = await wallet.sign(
    typed(contracts.exchange_domain, "Order", ORDER, {
      trader: ticket.account,
      zone: ticket.zone,
      deliveryStart: start,
      side: SIDES.indexOf(ticket.side),
      energyWh: ticket.energy_wh.toString(),
      limitPricePerKwh: ticket.limit_price_per_kwh.toString(),
      minFillWh: 0,
      timeInForce: TIMES_IN_FORCE.indexOf(ticket.time_in_force),
      source: 0,
      expiry: start,
      lane,
      nonce,
    }),
  );
  const entered = await ask<Entered>("POST", "/v1/orders", {
    trader: ticket.account,
    zone: ticket.zone,
    delivery_start: ticket.delivery_start,
    side: ticket.side,
    energy_wh: ticket.energy_wh.toString(),
    limit_price_per_kwh: ticket.limit_price_per_kwh.toString(),
    time_in_force: ticket.time_in_force,
    expiry: ticket.delivery_start,
    lane,
    nonce: nonce.toString(),
    signature,
  });
  const same =
    entered.side === ticket.side &&
    BigInt(entered.energy_wh) === ticket.energy_wh &&
    BigInt(entered.limit_price_per_kwh) === ticket.limit_price_per_kwh &&
    seconds(entered.delivery_start) === start;
  if (!same) throw new Error("The market says it took another order than the one you signed.");
  return entered;
}

export async function cancel(order: string): Promise<string> {
  return (await ask<{ status: string }>("DELETE", `/v1/orders/${order}`)).status;
}

/** Moves money from the wallet into the vault, by a permit. */
export async function deposit(account: string, amount: bigint): Promise<void> {
  const [wallet, contracts] = await open(account);
  const query = new URLSearchParams({ account, amount: amount.toString() });
  const permit = await ask<Permit>("GET", `/v1/deposits/permit?${query}`);
  const exchange = contracts.exchange_domain.verifying_contract.toLowerCase();
  if (permit.spender.toLowerCase() !== exchange || BigInt(permit.value) !== amount) {
    throw new Error("The permit is not for this amount and the exchange; nothing was signed.");
  }
  const signature = await wallet.sign(
    typed(permit.token, "Permit", PERMIT, {
      owner: account,
      spender: permit.spender,
      value: permit.value,
      nonce: permit.nonce,
      deadline: seconds(permit.deadline),
    }),
  );
  const { nonce, deadline } = permit;
  await ask("POST", "/v1/deposits", { account, amount: amount.toString(), nonce, deadline, signature });
}

/** Lets imbalance be charged, so much in a slot and in all, for a year of market time. */
export async function mandate(account: string, perSlot: bigint, all: bigint, now: Date): Promise<void> {
  const [wallet, contracts] = await open(account);
  const expiry = new Date(now.getTime() + MANDATE_DAYS * 86_400_000);
  expiry.setUTCMilliseconds(0);
  const nonce = seconds(new Date());
  const signature = await wallet.sign(
    typed(contracts.exchange_domain, "Mandate", MANDATE, {
      account,
      budgetPerSlot: perSlot.toString(),
      budget: all.toString(),
      expiry: seconds(expiry),
      nonce,
    }),
  );
  await ask("POST", "/v1/mandates", {
    account,
    budget_per_slot: perSlot.toString(),
    budget: all.toString(),
    expiry: expiry.toISOString(),
    nonce: nonce.toString(),
    signature,
  });
}

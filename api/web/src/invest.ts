/** Buying fractions and claiming revenue. What is signed is built here, from what the page shows. */

import { ask, requestKey } from "./ask.js";
import { signedIn, signIn } from "./session.js";
import { type TypedData, Wallet } from "./wallet.js";

interface Domain {
  name: string;
  version: string;
  chain_id: number;
  verifying_contract: string;
}

interface Terms {
  token: string;
  price: string;
  cost: string;
  nonce: string;
  permit_nonce: string;
  deadline: string;
  asset_domain: Domain;
  payment_domain: Domain;
}

interface Contracts {
  chain_id: number;
  contracts: Record<string, string>;
}

interface Accepted {
  outbox_id: number;
}

function domain(found: Domain): TypedData["domain"] {
  return {
    name: found.name,
    version: found.version,
    chainId: found.chain_id,
    verifyingContract: found.verifying_contract,
  };
}

function purchase(terms: Terms, buyer: string, fractions: string, deadline: number): TypedData {
  return {
    domain: domain(terms.asset_domain),
    primaryType: "Purchase",
    types: {
      Purchase: [
        { name: "buyer", type: "address" },
        { name: "fractions", type: "uint96" },
        { name: "maxCost", type: "uint256" },
        { name: "nonce", type: "uint256" },
        { name: "deadline", type: "uint256" },
      ],
    },
    message: { buyer, fractions, maxCost: terms.cost, nonce: terms.nonce, deadline },
  };
}

interface Payment {
  token: string;
  cost: string;
  permit_nonce: string;
  deadline: string;
  payment_domain: Domain;
}

/** Whether two addresses are one. */
export function same(one: string, other: string | undefined): boolean {
  return one.toLowerCase() === other?.toLowerCase();
}

function permit(terms: Payment, owner: string, deadline: number): TypedData {
  return {
    domain: domain(terms.payment_domain),
    primaryType: "Permit",
    types: {
      Permit: [
        { name: "owner", type: "address" },
        { name: "spender", type: "address" },
        { name: "value", type: "uint256" },
        { name: "nonce", type: "uint256" },
        { name: "deadline", type: "uint256" },
      ],
    },
    message: { owner, spender: terms.token, value: terms.cost, nonce: terms.permit_nonce, deadline },
  };
}

/** What the server names must be what the page and the contracts' list say; a wallet shows addresses, not meanings. */
function check(terms: Terms, contracts: Contracts, price: string, fractions: string): void {
  if (terms.price !== price) throw new Error("The price has changed; look at it again.");
  if (BigInt(terms.cost) !== BigInt(price) * BigInt(fractions)) throw new Error("The cost is not price times fractions.");
  if (!same(terms.asset_domain.verifying_contract, terms.token)) throw new Error("The token is not the one to sign for.");
  if (!same(terms.payment_domain.verifying_contract, contracts.contracts["PaymentToken"])) {
    throw new Error("The money is not the market's payment token.");
  }
  for (const found of [terms.asset_domain, terms.payment_domain]) {
    if (found.chain_id !== contracts.chain_id) throw new Error("The terms are for another chain.");
  }
}

/** Has a payment to a token signed, as the API takes it. */
export async function signPermit(wallet: Wallet, terms: Payment, deadline: number): Promise<Record<string, string>> {
  const signature = await wallet.sign(permit(terms, wallet.account, deadline));
  return { value: terms.cost, nonce: terms.permit_nonce, deadline: terms.deadline, signature };
}

/** Buys; returns once the request is accepted. */
export async function buy(asset: string, price: string, fractions: string, say: (text: string) => void): Promise<void> {
  const contracts = await ask<Contracts>("GET", "/v1/contracts");
  const wallet = await Wallet.open(contracts.chain_id);
  const query = new URLSearchParams({ account: wallet.account, fractions });
  const terms = await ask<Terms>("GET", `/v1/assets/${asset}/purchases/terms?${query}`);
  check(terms, contracts, price, fractions);
  const deadline = Math.floor(Date.parse(terms.deadline) / 1000);
  say("1 of 2: sign the purchase in your wallet.");
  const signature = await wallet.sign(purchase(terms, wallet.account, fractions, deadline));
  say("2 of 2: sign the payment in your wallet.");
  const paid = await signPermit(wallet, terms, deadline);
  await ask<Accepted>("POST", `/v1/assets/${asset}/purchases`, {
    buyer: wallet.account,
    fractions,
    max_cost: terms.cost,
    nonce: terms.nonce,
    deadline: terms.deadline,
    signature,
    permit: paid,
  });
}

/** Has the revenue of the signed-in account paid out; signs in first where that is needed. */
export async function claim(asset: string): Promise<void> {
  if ((await signedIn()) === undefined) await signIn();
  await ask<Accepted>("POST", `/v1/assets/${asset}/claims`, undefined, { "Idempotency-Key": requestKey() });
}

/** Decides on an application for clearance, as it stood on the page: `applied_at` says which. */
export async function decide(user: string, applied_at: string, decision: string): Promise<void> {
  const path = `/v1/kyc/applications/${user}/${decision}`;
  if (decision === "approval") {
    const until = new Date(Date.now() + 365 * 86_400_000);
    until.setUTCMilliseconds(0);
    await ask("POST", path, { cleared_until: until.toISOString(), applied_at }, { "Idempotency-Key": `kyc-${user}-${Date.parse(applied_at)}` });
  } else {
    await ask("POST", path, { reason: "not enough to clear the account", applied_at });
  }
}

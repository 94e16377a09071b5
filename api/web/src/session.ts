/** Signing in with a wallet (EIP-4361). The session is a cookie that no script reads. */

import { ask } from "./ask.js";
import { Wallet } from "./wallet.js";

interface Nonce {
  nonce: string;
  domain: string;
  uri: string;
  chain_id: number;
  account: string;
}

/** The text that the wallet shows. https://eips.ethereum.org/EIPS/eip-4361 */
function message(nonce: Nonce): string {
  return [
    `${nonce.domain} wants you to sign in with your Ethereum account:`,
    nonce.account,
    "",
    "Sign in to Gridtrace. This costs nothing and moves nothing.",
    "",
    `URI: ${nonce.uri}`,
    "Version: 1",
    `Chain ID: ${nonce.chain_id}`,
    `Nonce: ${nonce.nonce}`,
    `Issued At: ${new Date().toISOString()}`,
  ].join("\n");
}

interface Chain {
  chain_id: number;
}

/** Opens a session for the account that the wallet gives. */
export async function signIn(): Promise<Wallet> {
  const { chain_id } = await ask<Chain>("GET", "/v1/contracts");
  const wallet = await Wallet.open(chain_id);
  const nonce = await ask<Nonce>("POST", `/v1/auth/nonce?account=${wallet.account}`);
  if (nonce.domain !== location.host) throw new Error(`The server says it is ${nonce.domain}, this is ${location.host}.`);
  const text = message(nonce);
  await ask("POST", "/v1/auth/verify", { message: text, signature: await wallet.signText(text) });
  return wallet;
}

/** Whose session this is; undefined where nobody is signed in. */
export async function signedIn(): Promise<string | undefined> {
  return (await ask<{ account: string | null }>("GET", "/v1/auth/me")).account ?? undefined;
}

export async function signOut(): Promise<void> {
  await ask("DELETE", "/v1/auth/session");
}

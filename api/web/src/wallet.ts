/** A person's wallet: found by EIP-6963, spoken to by EIP-1193. No key ever comes here. */

interface Provider {
  request(call: { method: string; params?: readonly unknown[] }): Promise<unknown>;
}

interface Announced {
  info: { uuid: string; name: string; rdns: string };
  provider: Provider;
}

interface Field {
  name: string;
  type: string;
}

export interface TypedData {
  domain: { name: string; version: string; chainId: number; verifyingContract: string };
  primaryType: string;
  types: Record<string, Field[]>;
  message: Record<string, string | number>;
}

const DOMAIN: Field[] = [
  { name: "name", type: "string" },
  { name: "version", type: "string" },
  { name: "chainId", type: "uint256" },
  { name: "verifyingContract", type: "address" },
];
const REFUSED_BY_PERSON = 4001;
const found = new Map<string, Announced>();

export class WalletRefused extends Error {}

/** Listens for wallets; calls `changed` when one shows up. */
export function findWallets(changed: () => void): void {
  window.addEventListener("eip6963:announceProvider", (event) => {
    const wallet = (event as CustomEvent<Announced>).detail;
    found.set(wallet.info.uuid, wallet);
    changed();
  });
  window.dispatchEvent(new Event("eip6963:requestProvider"));
}

export function hasWallet(): boolean {
  return found.size > 0;
}

/** Asks which wallet, where there are several. */
async function chosen(): Promise<Announced> {
  const wallets = [...found.values()];
  const [first] = wallets;
  if (first === undefined) throw new WalletRefused("There is no wallet in this browser.");
  if (wallets.length === 1) return first;
  const dialog = document.createElement("dialog");
  dialog.className = "wallets";
  dialog.setAttribute("aria-label", "Choose a wallet");
  for (const wallet of wallets) {
    const button = document.createElement("button");
    button.textContent = wallet.info.name;
    button.onclick = () => dialog.close(wallet.info.uuid);
    dialog.append(button);
  }
  document.body.append(dialog);
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  dialog.remove();
  const wallet = found.get(dialog.returnValue);
  if (wallet === undefined) throw new WalletRefused("No wallet was chosen.");
  return wallet;
}

export class Wallet {
  private constructor(
    private readonly provider: Provider,
    readonly account: string,
  ) {}

  /** Opens a wallet on the right chain; the person agrees there. */
  static async open(chainId: number): Promise<Wallet> {
    const { provider } = await chosen();
    const accounts = (await call(provider, "eth_requestAccounts")) as string[];
    const account = accounts[0];
    if (account === undefined) throw new WalletRefused("The wallet gave no account.");
    const wanted = `0x${chainId.toString(16)}`;
    const current = (await call(provider, "eth_chainId")) as string;
    if (current.toLowerCase() !== wanted) await call(provider, "wallet_switchEthereumChain", [{ chainId: wanted }]);
    return new Wallet(provider, account);
  }

  /** EIP-191, for sign-in. */
  async signText(text: string): Promise<string> {
    const bytes = new TextEncoder().encode(text);
    const hex = `0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
    return (await call(this.provider, "personal_sign", [hex, this.account])) as string;
  }

  /** A transaction that the wallet shows, sends and pays for; its hash. */
  async send(to: string, data: string): Promise<string> {
    return (await call(this.provider, "eth_sendTransaction", [{ from: this.account, to, data }])) as string;
  }

  /** EIP-712: the wallet shows every field. */
  async sign(data: TypedData): Promise<string> {
    const whole = { ...data, types: { EIP712Domain: DOMAIN, ...data.types } };
    return (await call(this.provider, "eth_signTypedData_v4", [this.account, JSON.stringify(whole)])) as string;
  }
}

async function call(provider: Provider, method: string, params: readonly unknown[] = []): Promise<unknown> {
  try {
    return await provider.request({ method, params });
  } catch (error) {
    const { code, message } = error as { code?: number; message?: string };
    throw new WalletRefused(code === REFUSED_BY_PERSON ? "You refused it in your wallet." : (message ?? String(error)));
  }
}

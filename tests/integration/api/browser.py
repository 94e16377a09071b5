"""A browser with a wallet in it: the page speaks EIP-6963 and EIP-1193, the keys stay in the test."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data

from contracts.typed_data import address_of

if TYPE_CHECKING:
    from playwright.async_api import Page

ANNOUNCE = """
(() => {
  const provider = { request: async ({ method, params }) => {
    const answer = await window.askWallet(JSON.stringify({ method, params: params ?? [] }));
    const { result, error } = JSON.parse(answer);
    if (error) throw error;
    return result;
  } };
  const uuid = "4b1d2f0e-0000-4000-8000-000000000001";
  const info = { uuid, name: "Test wallet", rdns: "test.wallet", icon: "data:," };
  const announce = () => window.dispatchEvent(
    new CustomEvent("eip6963:announceProvider", { detail: Object.freeze({ info, provider }) }));
  window.addEventListener("eip6963:requestProvider", announce);
  announce();
})();
"""


class Wallet:
    """Signs what the page asks for, and remembers what that was; refuses while ``refuses`` is set."""

    def __init__(self, key: bytes, chain_id: int) -> None:
        self.key = key
        self.chain_id = chain_id
        self.refuses = False
        self.signed: list[Any] = []
        self.sends: Callable[[bytes, bytes], Awaitable[None]] | None = None
        """Brings a transaction on chain: its target and its data."""

    async def ask(self, _: Any, text: str) -> str:
        call = json.loads(text)
        if self.refuses and call["method"] in ("personal_sign", "eth_signTypedData_v4"):
            return json.dumps({"error": {"code": 4001, "message": "User rejected the request."}})
        if call["method"] == "eth_sendTransaction" and self.sends is not None:
            (sent,) = call["params"]
            await self.sends(bytes.fromhex(sent["to"][2:]), bytes.fromhex(sent["data"][2:]))
            return json.dumps({"result": "0x" + bytes(32).hex()})
        return json.dumps({"result": self._answer(call["method"], call["params"])})

    def _answer(self, method: str, params: list[Any]) -> Any:
        match method:
            case "eth_requestAccounts":
                return ["0x" + address_of(self.key).hex()]
            case "eth_chainId":
                return hex(self.chain_id)
            case "personal_sign":
                self.signed.append(bytes.fromhex(params[0][2:]).decode())
                message = encode_defunct(hexstr=params[0])
            case "eth_signTypedData_v4":
                data = json.loads(params[1])
                self.signed.append(data)
                message = encode_typed_data(full_message=data)
            case _:
                raise AssertionError(f"the page asks the wallet for {method}")
        return "0x" + Account.sign_message(message, self.key).signature.hex()


@asynccontextmanager
async def opened(
    chromium: str, base_url: str, wallet: Wallet | None = None, **context: Any
) -> "AsyncIterator[tuple[Page, list[str]]]":
    """A page, and what the browser complains of: faults, refused resources, requests that leave the site."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await (await browser.new_context(base_url=base_url, **context)).new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("request", lambda sent: None if sent.url.startswith(base_url) else complaints.append(sent.url))
        if wallet is not None:
            await page.expose_binding("askWallet", wallet.ask)
            await page.add_init_script(ANNOUNCE)
        yield page, complaints
        await browser.close()

// Signs in, places an order, cancels it, places another and follows it: generated types, fetch and viem.
// esbuild follow_order.ts --bundle --platform=node --format=esm --outfile=follow_order.mjs && node follow_order.mjs URL 0xKEY
import { privateKeyToAccount } from 'viem/accounts'
import type { components, operations } from './gridtrace.d.ts'

type Schemas = components['schemas']
type Body = operations['post_order']['requestBody']['content']['application/json']
declare const process: { argv: string[] }

const [url, key] = process.argv.slice(2) as [string, `0x${string}`]
const account = privateKeyToAccount(key)
const headers: Record<string, string> = { 'Content-Type': 'application/json' }
const LANE = 9

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const answer = await fetch(url + path, { method, headers, body: body === undefined ? null : JSON.stringify(body) })
  const cookie = answer.headers.get('set-cookie')
  if (cookie) headers['Cookie'] = cookie.split(';')[0]! // what the nonce is bound to
  if (answer.ok) return (await answer.json()) as T
  const problem = (await answer.json()) as Schemas['Problem']
  throw new Error(`${problem.code}: ${problem.detail}`)
}

async function signIn(): Promise<void> {
  const asked = await call<Schemas['NonceAnswer']>('POST', '/v1/auth/nonce')
  const message =
    `${asked.domain} wants you to sign in with your Ethereum account:\n${account.address}\n\nSign in.\n\n` +
    `URI: ${asked.uri}\nVersion: 1\nChain ID: ${asked.chain_id}\nNonce: ${asked.nonce}\n` +
    `Issued At: ${new Date().toISOString().slice(0, 19)}Z`
  const signature = await account.signMessage({ message })
  const session = await call<Schemas['SessionAnswer']>('POST', '/v1/auth/verify', { message, signature })
  headers['Authorization'] = `Bearer ${session.session_token}`
}

const fields = [
  'address trader', 'uint32 zone', 'uint64 deliveryStart', 'uint8 side', 'uint48 energyWh', 'int48 limitPricePerKwh',
  'uint48 minFillWh', 'uint8 timeInForce', 'uint8 source', 'uint32 expiry', 'uint16 lane', 'uint48 nonce',
].map((field) => ({ type: field.split(' ')[0]!, name: field.split(' ')[1]! }))

async function signed(deployed: Schemas['Contracts'], slot: Schemas['Slot'], nonce: number): Promise<Body> {
  const start = Date.parse(slot.delivery_start) / 1000
  const domain = deployed.exchange_domain
  const signature = await account.signTypedData({
    domain: {
      name: domain.name, version: domain.version, chainId: domain.chain_id,
      verifyingContract: domain.verifying_contract as `0x${string}`,
    },
    types: { Order: fields },
    primaryType: 'Order',
    message: {
      trader: account.address, zone: slot.zone, deliveryStart: BigInt(start), side: 0, energyWh: 100,
      limitPricePerKwh: 400_000, minFillWh: 0, timeInForce: 0, source: 0, expiry: start + 86_400, lane: LANE, nonce,
    },
  })
  return {
    trader: account.address, zone: slot.zone, delivery_start: slot.delivery_start, side: 'buy', energy_wh: '100',
    limit_price_per_kwh: '400000', expiry: new Date((start + 86_400) * 1000).toISOString().replace('.000', ''),
    lane: LANE, nonce: String(nonce), signature,
  } as Body
}

await signIn()
const deployed = await call<Schemas['Contracts']>('GET', '/v1/contracts')
const page = await call<Schemas['Page_Slot_']>('GET', '/v1/markets/1/slots')
const slot = page.items.filter((one) => one.state === 'open').at(-1)!
const number = Math.floor(Date.now() / 1000)
const first = await call<Schemas['OrderAnswer']>('POST', '/v1/orders', await signed(deployed, slot, number))
console.log(`placed     ${first.order_id} for ${slot.delivery_start.slice(11, 16)}: ${first.status}`)
const gone = await call<Schemas['OrderAnswer']>('DELETE', `/v1/orders/${first.order_id}`)
console.log(`cancelled  ${gone.order_id}: ${gone.status}`)
const second = await call<Schemas['OrderAnswer']>('POST', '/v1/orders', await signed(deployed, slot, number + 1))
console.log(`placed     ${second.order_id}: ${second.status}`)
let now = second
while (now.status === 'open') {
  await new Promise((wake) => setTimeout(wake, 1_000))
  now = await call<Schemas['OrderAnswer']>('GET', `/v1/orders/${second.order_id}`)
}
console.log(`${now.status.padEnd(10)} ${now.order_id}: ${now.matched_wh} Wh of ${now.energy_wh}`)

// EIP-712 digests by viem. Lines of JSON come in: [kind, domain, message] with whole numbers as text; lines of hex go out.
import { createInterface } from 'node:readline'
import { hashTypedData } from 'viem'

const field = (text) => {
  const [type, name] = text.split(' ')
  return { type, name }
}
const types = {
  Order: ['address trader', 'uint32 zone', 'uint64 deliveryStart', 'uint8 side', 'uint48 energyWh', 'int48 limitPricePerKwh',
    'uint48 minFillWh', 'uint8 timeInForce', 'uint8 source', 'uint32 expiry', 'uint16 lane', 'uint48 nonce'].map(field),
  Mandate: ['address account', 'uint64 budgetPerSlot', 'uint64 budget', 'uint32 expiry', 'uint32 nonce'].map(field),
  TradingMandate: ['address account', 'uint32 zone', 'int48 maxBuyPricePerKwh', 'int48 minSellPricePerKwh',
    'uint32 maxWhPerSlot', 'uint32 validFrom', 'uint32 expiry', 'uint48 nonce'].map(field),
  Permit: ['address owner', 'address spender', 'uint256 value', 'uint256 nonce', 'uint256 deadline'].map(field),
  Reading: ['uint32 meterId', 'uint64 time', 'uint64 counter', 'uint64 importWh', 'uint64 exportWh', 'int64 powerW'].map(field),
}

const out = []
for await (const line of createInterface({ input: process.stdin })) {
  const [primaryType, domain, fields] = JSON.parse(line)
  const message = Object.fromEntries(
    types[primaryType].map(({ type, name }) => [name, type === 'address' ? fields[name] : BigInt(fields[name])]),
  )
  out.push(hashTypedData({ domain, types: { [primaryType]: types[primaryType] }, primaryType, message }))
}
process.stdout.write(out.join('\n') + '\n')

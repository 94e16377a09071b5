// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title Vault and settlement of energy trades.
/// @notice Money and energy are held per account. A trade moves money only by an order its owner signed, within its
/// limit, and energy only out of what the seller's meter produced. Imbalance moves money only within the budget of the
/// account's own signed mandate. The operator can delay and leave out, and take no more than
/// limits and mandates allow.
/// @dev Units: cash in the payment token's units (6 decimals), energy in Wh, prices in micro-currency per kWh, so that
/// price * Wh / 1000 is in cash units. Times are Unix seconds.
interface ISettlementExchange {
    /// @notice EIP-712 order. The exchange enforces trader, zone, deliveryStart, side, energyWh, limitPricePerKwh,
    /// expiry, lane and nonce; the other fields bind the matching engine and are part of the signed digest.
    /// @param side 0 buy, 1 sell.
    /// @param limitPricePerKwh Buyer: the most he pays all in (grid fee included). Seller: the least he receives.
    /// @param timeInForce 0 good till gate, 1 good till time, 2 immediate or cancel, 3 fill or kill.
    /// @param source 0 any source; 1 solar, 2 wind, 3 hydro, 4 storage.
    /// @param lane 0 is the account lane, the cheapest: it holds one slot and one side at a time, and all that an account
    /// fills in it for a slot, trading mandates included, counts against each of its orders. A later slot starts it
    /// again and voids what is left of earlier ones; it counts up to 2^31 - 1 Wh. Of the others, 1 to 65,535, each holds
    /// one live order: a higher nonce replaces it.
    /// @param nonce Orders below the account's floor (`raiseNonce`) are void. Outside of the account lane it grows within
    /// its lane, and two orders with the same lane and nonce share one fill counter.
    /// @param expiry Unix seconds. An order fills only in slots that start no later than its expiry: a settlement that
    /// comes late stays valid, an order that ran out before its delivery never fills.
    struct Order {
        address trader;
        uint32 zone;
        uint64 deliveryStart;
        uint8 side;
        uint48 energyWh;
        int48 limitPricePerKwh;
        uint48 minFillWh;
        uint8 timeInForce;
        uint8 source;
        uint32 expiry;
        uint16 lane;
        uint48 nonce;
    }

    /// @notice EIP-712 standing mandate to charge imbalance.
    /// @param budgetPerSlot The most that may be charged for one delivery slot, in cash units. A revision of an earlier
    /// slot counts against the latest slot charged, and so do, all together, the slots that began more than an hour
    /// before the account's first mandate. More than 2^48 - 1 is kept as 2^48 - 1.
    /// @param budget The most that may be charged in all until the next mandate, in cash units.
    /// @param expiry Unix seconds; slots that start later may not be charged.
    /// @param nonce Greater than the account's last mandate nonce.
    struct Mandate {
        address account;
        uint64 budgetPerSlot;
        uint64 budget;
        uint32 expiry;
        uint32 nonce;
    }

    /// @notice EIP-712 standing mandate to trade: what an account buys and sells in every slot without a signature for
    /// each. It stands until its expiry, or until the account raises its nonce floor above `nonce`; a later mandate
    /// does not replace it. All mandates of an account and the orders of its account lane share one counter a slot and
    /// go one way in it, so that it never buys dear what it sells cheap.
    /// @param zone The market zone it is meant for; binds the matching engine, as an order's does.
    /// @param maxBuyPricePerKwh The most the account pays all in (grid fee included); the lowest value for not buying.
    /// @param minSellPricePerKwh The least it receives; the highest value for not selling.
    /// @param maxWhPerSlot The most it trades in one slot; at most 2^31 - 1.
    /// @param validFrom Unix seconds; slots that start earlier are not traded.
    /// @param expiry Unix seconds; slots that start later are not traded.
    /// @param nonce Void once the account's floor is above it: keep it below those of orders that should not fall with it.
    struct TradingMandate {
        address account;
        uint32 zone;
        int48 maxBuyPricePerKwh;
        int48 minSellPricePerKwh;
        uint32 maxWhPerSlot;
        uint32 validFrom;
        uint32 expiry;
        uint48 nonce;
    }

    /// @notice Money or energy came into an account of the vault.
    event Deposited(address indexed account, uint256 cash, uint256 energyWh);
    event WithdrawalRequested(address indexed account, uint256 cash, uint256 energyWh, uint64 readyAt);
    event WithdrawalExecuted(address indexed account, uint256 cash, uint256 energyWh);
    /// @notice All orders of the account with a nonce below `minNonce` are void.
    event NonceRaised(address indexed account, uint48 minNonce);
    event MandateSet(
        address indexed account, uint64 budgetPerSlot, uint64 budget, uint32 expiry, uint32 nonce
    );
    /// @notice Orders of one delivery slot were settled.
    /// @param sequence Number of the batch; batches are applied in order, each once.
    /// @param deliveryStart Start of the delivery slot.
    /// @param version Settlement version of the slot: 0 provisional, then revisions.
    /// @param fee What buyers and charged accounts paid more than the others received: grid fee and rounding residue.
    /// @param entries Packed big-endian entries of 53 bytes: address trader (20), uint8 side, uint32 zone,
    /// uint16 lane, uint48 nonce, uint48 fillWh, int64 money (paid by a buyer, received by a seller; negative at a
    /// negative price), uint48 deliveredWh.
    event OrdersSettled(
        uint64 indexed sequence, uint64 indexed deliveryStart, uint16 version, uint64 fee, bytes entries
    );
    /// @notice Imbalance of one delivery slot was settled, in the same batch as OrdersSettled.
    /// @param entries Packed big-endian entries of 28 bytes: address account (20), int64 money (negative: charged).
    event ImbalanceSettled(
        uint64 indexed sequence, uint64 indexed deliveryStart, uint16 version, bytes entries
    );
    /// @notice Signed trading mandates were registered as a book.
    /// @param mandates Packed big-endian entries of 54 bytes: address account (20), uint32 zone, uint48 nonce,
    /// uint32 validFrom, uint32 expiry, uint32 maxWhPerSlot, int48 minSellPricePerKwh, int48 maxBuyPricePerKwh.
    event MandatesRegistered(uint32 indexed book, bytes mandates);
    /// @notice Mandates of a book were filled, in the same batch as OrdersSettled and before it.
    /// @param fills Packed big-endian entries of 16 bytes: uint15 index of the mandate in its book, uint1 side, uint32
    /// fillWh, int48 money, uint32 deliveredWh; the last three as in OrdersSettled.
    event MandatesSettled(
        uint64 indexed sequence,
        uint64 indexed deliveryStart,
        uint32 indexed book,
        uint16 version,
        bytes fills
    );
    event FeesWithdrawn(address indexed to, uint256 cash);

    /// @notice A settler was added or removed.
    event SettlerSet(address indexed settler, bool allowed);
    /// @notice The production ledger was set, once and for all.
    event LedgerSet(address indexed ledger);
    /// @notice Settlement and deposits were stopped; withdrawals go on.
    event Paused(address account);
    event Unpaused(address account);

    /// @notice Takes `cash` of the payment token from the caller into his account.
    function deposit(uint256 cash) external;

    /// @notice Deposits for `owner` by his ERC-2612 permit; anyone may send it. A permit
    /// that someone already handed to the token is accepted as long as the allowance it gave is untouched.
    function depositWithPermit(address owner, uint256 cash, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external;

    /// @notice Takes energy tokens from the caller into his account.
    function depositEnergy(uint256 energyWh) external;

    /// @notice Credits issued production that the ledger has minted to the vault. Production ledger only.
    function creditProduction(address[] calldata owners, uint64[] calldata energyWh) external;

    /// @notice Announces a withdrawal; it can be executed after `withdrawalDelay`, whatever the operator does. Replaces
    /// an earlier request; zero cancels it. Until it is executed the money stays in the account and settles what the
    /// account owes, so that no withdrawal breaks a batch in flight.
    function requestWithdrawal(uint96 cash, uint64 energyWh) external;

    /// @notice Pays out the caller's due withdrawal, as far as the account still covers it. Works while paused.
    function executeWithdrawal() external;

    /// @notice Voids the caller's orders with a nonce below `minNonce`.
    function raiseNonce(uint48 minNonce) external;

    /// @notice Sets the signer's imbalance mandate; anyone may send it.
    function setMandate(Mandate calldata mandate, bytes calldata signature) external;

    /// @notice Registers trading mandates as a book, so that batches may fill them; anyone may send it. At most 400 at
    /// once. A book is in force while all of its mandates are; a mandate may stand in several books.
    /// @param mandates Packed as in MandatesRegistered.
    /// @param signatures 64 bytes (EIP-2098: r, vs) for each mandate, of its account.
    /// @return book The book's number, from 1.
    function registerMandates(bytes calldata mandates, bytes calldata signatures)
        external
        returns (uint32 book);

    /// @notice Settles one batch, packed as the contract's README says. Settler only. Reverts as a whole.
    function settleBatch(bytes calldata batch) external;

    /// @notice Cash, energy and nonce floor of an account.
    function accountOf(address account)
        external
        view
        returns (uint256 cash, uint256 energyWh, uint48 minNonce);

    /// @notice The account lane: the last slot it was used for (0 before its first), on which side, and what was filled.
    function accountLaneOf(address account)
        external
        view
        returns (uint32 deliveryStart, uint8 side, uint32 filledWh);

    /// @notice The contract whose code is the book with this number. It has none while the book is not registered.
    function bookOf(uint32 book) external view returns (address);

    /// @notice What has been filled of the live order in a lane from 1 to 65,535; nothing for lane 0.
    function laneOf(address account, uint16 lane) external view returns (uint48 nonce, uint48 filledWh);

    function mandateOf(address account)
        external
        view
        returns (uint64 budgetPerSlot, uint64 budget, uint32 expiry, uint32 nonce);

    /// @notice Sequence number the next batch must carry.
    function nextSequence() external view returns (uint64);

    /// @notice The announced withdrawal of an account; `readyAt` is 0 when there is none.
    function withdrawalOf(address account)
        external
        view
        returns (uint96 cash, uint64 energyWh, uint64 readyAt);

    /// @notice Until when an account may trade: a copy of the registry's, 0 while it is frozen.
    function clearanceOf(address account) external view returns (uint32 clearedUntil);

    /// @notice Fees collected and not yet withdrawn, in cash units.
    function fees() external view returns (uint256);

    function paused() external view returns (bool);

    /// @notice Pays out collected fees. Treasurer only.
    function withdrawFees(address to, uint96 cash) external;

    /// @notice Stops settlement and deposits. Guardian only.
    function pause() external;

    /// @notice Resumes. Administrator only.
    function unpause() external;

    /// @notice Adds or removes a settler. Administrator only.
    function setSettler(address settler, bool allowed) external;

    /// @notice Names the only contract that may credit production. Administrator only, once.
    function setLedger(address ledger) external;

    /// @notice EIP-712 digest of an order.
    function orderDigest(Order calldata order) external view returns (bytes32);

    /// @notice EIP-712 digest of a trading mandate.
    function tradingMandateDigest(TradingMandate calldata mandate) external view returns (bytes32);

    /// @notice EIP-712 digest of an imbalance mandate.
    function mandateDigest(Mandate calldata mandate) external view returns (bytes32);
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title Vault and settlement of energy trades.
/// @notice Money and energy are held per account. A trade moves money only by an order its owner signed, within its
/// limit, and energy only out of what the seller's meter produced. Imbalance moves money only within the budget of the
/// account's own signed mandate. The operator can delay, not take.
/// @dev Units: cash in the payment token's units (6 decimals), energy in Wh, prices in micro-currency per kWh, so that
/// price * Wh / 1000 is in cash units. Times are Unix seconds.
interface ISettlementExchange {
    /// @notice EIP-712 order. The exchange enforces trader, zone, deliveryStart, side, energyWh, limitPricePerKwh,
    /// expiry, lane and nonce; the other fields bind the matching engine and are part of the signed digest.
    /// @param side 0 buy, 1 sell.
    /// @param limitPricePerKwh Buyer: the most he pays all in (grid fee included). Seller: the least he receives.
    /// @param timeInForce 0 good till gate, 1 good till time, 2 immediate or cancel, 3 fill or kill.
    /// @param source 0 any source; 1 solar, 2 wind, 3 hydro, 4 storage.
    /// @param lane One of the account's 65,536 storage lanes. A lane holds one live order: a higher nonce replaces it.
    /// @param nonce Grows within a lane; orders below the account's floor (`raiseNonce`) are void.
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
    /// @param budgetPerSlot The most that may be charged for one delivery slot, in cash units.
    /// @param budget The most that may be charged in all until the next mandate, in cash units.
    /// @param expiry Unix seconds after which nothing may be charged.
    /// @param nonce Greater than the account's last mandate nonce.
    struct Mandate {
        address account;
        uint64 budgetPerSlot;
        uint64 budget;
        uint32 expiry;
        uint32 nonce;
    }

    /// @notice Money or energy came into an account of the vault.
    event Deposited(address indexed account, uint256 cash, uint256 energyWh);
    event WithdrawalRequested(address indexed account, uint256 cash, uint256 energyWh, uint64 readyAt);
    event WithdrawalExecuted(address indexed account, uint256 cash, uint256 energyWh);
    /// @notice All orders of the account with a nonce below `minNonce` are void.
    event NonceRaised(address indexed account, uint48 minNonce);
    event MandateSet(address indexed account, uint64 budgetPerSlot, uint64 budget, uint32 expiry, uint32 nonce);
    /// @notice Orders of one delivery slot were settled.
    /// @param sequence Number of the batch; batches are applied in order, each once.
    /// @param deliveryStart Start of the delivery slot.
    /// @param version Settlement version of the slot: 0 provisional, then revisions.
    /// @param fee What buyers and charged accounts paid more than the others received: grid fee and rounding residue.
    /// @param entries Packed big-endian entries of 53 bytes: address trader (20), uint8 side, uint32 zone,
    /// uint16 lane, uint48 nonce, uint48 fillWh, uint64 money (paid by a buyer, received by a seller),
    /// uint48 deliveredWh.
    event OrdersSettled(
        uint64 indexed sequence, uint64 indexed deliveryStart, uint16 version, uint64 fee, bytes entries
    );
    /// @notice Imbalance of one delivery slot was settled, in the same batch as OrdersSettled.
    /// @param entries Packed big-endian entries of 28 bytes: address account (20), int64 money (negative: charged).
    event ImbalanceSettled(uint64 indexed sequence, uint64 indexed deliveryStart, uint16 version, bytes entries);
    event FeesWithdrawn(address indexed to, uint256 cash);

    /// @notice Takes `cash` of the payment token from the caller into his account.
    function deposit(uint256 cash) external;

    /// @notice Deposits for `owner` by his ERC-2612 permit; anyone may send it.
    function depositWithPermit(address owner, uint256 cash, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice Takes energy tokens from the caller into his account.
    function depositEnergy(uint256 energyWh) external;

    /// @notice Credits issued production that the ledger has minted to the vault. Production ledger only.
    function creditProduction(address[] calldata owners, uint64[] calldata energyWh) external;

    /// @notice Announces a withdrawal; it can be executed after the delay, whatever the operator does.
    function requestWithdrawal(uint96 cash, uint64 energyWh) external;

    /// @notice Pays out the caller's due withdrawal. Works while paused.
    function executeWithdrawal() external;

    /// @notice Voids the caller's orders with a nonce below `minNonce`.
    function raiseNonce(uint48 minNonce) external;

    /// @notice Sets the signer's imbalance mandate; anyone may send it.
    function setMandate(Mandate calldata mandate, bytes calldata signature) external;

    /// @notice Settles one batch, packed as the contract's README says. Settler only. Reverts as a whole.
    function settle(bytes calldata batch) external;

    /// @notice Cash, energy and nonce floor of an account.
    function accountOf(address account) external view returns (uint256 cash, uint256 energyWh, uint48 minNonce);

    /// @notice What has been filled of the live order in a lane.
    function laneOf(address account, uint16 lane) external view returns (uint48 nonce, uint48 filledWh);

    function mandateOf(address account)
        external
        view
        returns (uint64 budgetPerSlot, uint64 budget, uint32 expiry, uint32 nonce);

    /// @notice Sequence number the next batch must carry.
    function nextSequence() external view returns (uint64);

    /// @notice EIP-712 digest of an order.
    function orderDigest(Order calldata order) external view returns (bytes32);

    /// @notice EIP-712 digest of a mandate.
    function mandateDigest(Mandate calldata mandate) external view returns (bytes32);
}

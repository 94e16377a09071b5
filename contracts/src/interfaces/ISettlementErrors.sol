// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title Errors of the vault and of settlement, shared by the exchange and its readable reference.
interface ISettlementErrors {
    /* ACCESS */

    /// @notice Thrown when the caller is not a settler.
    error NotSettler(address caller);
    /// @notice Thrown when the caller is not the production ledger.
    error NotLedger(address caller);
    /// @notice Thrown when the ledger is set a second time or to zero.
    error LedgerFixed(address current);
    /// @notice Thrown by settlement and deposits while the guardian has stopped them.
    error IsPaused();

    /* VAULT */

    /// @notice Thrown when the constructor is given a delay longer than an hour.
    error DelayTooLong(uint32 delay);
    /// @notice Thrown when the constructor is given a slot of no length.
    error ZeroSlot();
    /// @notice Thrown when a deposit moves nothing or a recipient is zero.
    error ZeroAmount();
    /// @notice Thrown when the token delivered another amount than asked for, as fee-on-transfer tokens do.
    error UnexpectedTransfer(uint256 asked, uint256 received);
    /// @notice Thrown when a permit neither works now nor is the owner's last one with its allowance untouched.
    error PermitUnusable(address owner);
    /// @notice Thrown when arrays that belong together differ in length.
    error LengthMismatch(uint256 left, uint256 right);
    /// @notice Thrown when an account holds less cash than it should give.
    error InsufficientCash(address account, uint256 cash, uint256 needed);
    /// @notice Thrown when an account holds less energy than it should give.
    error InsufficientEnergy(address account, uint256 energyWh, uint256 neededWh);
    /// @notice Thrown when an account would hold more than its storage slot can.
    error BalanceTooLarge(address account);
    /// @notice Thrown when there is no announced withdrawal, or it is not due yet.
    error WithdrawalNotReady(address account, uint64 readyAt);
    /// @notice Thrown when fewer fees were collected than asked for.
    error InsufficientFees(uint256 fees, uint256 needed);
    /// @notice Thrown when a nonce does not grow.
    error NonceNotRaised(address account, uint48 minNonce, uint48 asked);

    /* MANDATE */

    /// @notice Thrown when a mandate's nonce is not above the last one's.
    error MandateNonceUsed(address account, uint32 nonce, uint32 lastNonce);
    /// @notice Thrown when an account has no mandate for the slot, or it ran out before.
    error MandateExpired(address account, uint32 expiry, uint64 deliveryStart);
    /// @notice Thrown when a charge exceeds what is left of the mandate, for the slot or in all.
    error MandateExceeded(address account, uint256 charge, uint256 leftForSlot, uint256 leftInAll);

    /* TRADING MANDATES */

    /// @notice Thrown when a book is empty, too long, not whole mandates, or not signed once for each.
    error BadMandates(uint256 length, uint256 signaturesLength);
    /// @notice Thrown when a mandate allows more Wh a slot than the account lane counts (2^31 - 1).
    error MandateTooLarge(address account, uint32 maxWhPerSlot);
    /// @notice Thrown when a batch names a book that was never registered.
    error UnknownBook(uint32 book);
    /// @notice Thrown when a fill names a mandate that its book does not hold.
    error NotInBook(uint32 book, uint256 index, uint256 mandates);
    /// @notice Thrown when a batch names a book and fills none of its mandates.
    error EmptySection(uint32 book);
    /// @notice Thrown when the fills of all books are not as many as the batch's header says.
    error FillsMiscounted(uint256 counted, uint256 expected);
    /// @notice Thrown when the slot starts before one of the book's mandates is valid, or after one of them expired.
    error BookNotInForce(uint32 book, uint32 validFrom, uint32 expiry, uint64 deliveryStart);
    /// @notice Thrown when the account raised its nonce floor above the mandate's nonce.
    error MandateVoid(address account, uint48 nonce, uint48 minNonce);

    /* BATCH */

    /// @notice Thrown when the batch's length does not agree with its counts.
    error BadBatchLength(uint256 length, uint256 expected);
    /// @notice Thrown when a batch has more entries than fit into a transaction.
    error TooManyEntries(uint256 entries, uint256 maximum);
    /// @notice Thrown when a batch is repeated or out of order.
    error WrongSequence(uint64 sequence, uint64 expected);
    /// @notice Thrown when the slot has not begun or does not start on the slot grid.
    error BadDeliveryStart(uint64 deliveryStart, uint256 blockTime);
    /// @notice Thrown when bought and sold, or delivered and received energy differ.
    error EnergyNotConserved(int256 fillWh, int256 deliveredWh);
    /// @notice Thrown when the fee is negative or above the cap.
    error FeeOutOfRange(int256 fee, uint256 maximum);

    /* ORDER */

    /// @notice Thrown when the signature is not the trader's, or not in canonical form.
    error BadSignature(address trader, bytes32 digest);
    /// @notice Thrown when `side` is neither 0 nor 1.
    error BadSide(address trader, uint8 side);
    /// @notice Thrown when the trader is frozen or his clearance ended before the slot.
    error NotCleared(address trader, uint256 clearedUntil, uint64 deliveryStart);
    /// @notice Thrown when the order ran out before the slot.
    error OrderExpired(address trader, uint32 expiry, uint64 deliveryStart);
    /// @notice Thrown when the order's nonce is below the account's floor or the lane's live order.
    error OrderVoid(address trader, uint16 lane, uint48 nonce, uint48 minimum);
    /// @notice Thrown when the account lane was already used for a later slot.
    error SlotPassed(address trader, uint64 deliveryStart, uint32 lastDeliveryStart);
    /// @notice Thrown when the account lane went the other way in the same slot.
    error OtherSide(address trader, uint8 side, uint64 deliveryStart);
    /// @notice Thrown when more would be filled than was ordered, or than the lane counts. A mandate's lane is 0.
    error OverFilled(address trader, uint16 lane, uint256 filledWh, uint48 energyWh);
    /// @notice Thrown when more would be delivered than was filled.
    error OverDelivered(address trader, uint48 deliveredWh, uint48 fillWh);
    /// @notice Thrown when a buyer would pay more or a seller receive less than his limit.
    error WorseThanLimit(address trader, int64 money, int48 limitPricePerKwh, uint48 fillWh);
}

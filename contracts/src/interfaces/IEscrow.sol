// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title Deals between a payer and a payee, paid for in advance and held until they are done.
/// @notice
///     Open      --release (payer)-------------------> Released   all to the payee
///               --refund (payee; anyone, too late)--> Refunded   all to the payer
///               --declareDelivery (payee)-----------> Delivered
///               --dispute (either)------------------> Disputed
///     Delivered --release (payer; anyone, too late)-> Released
///               --refund (payee)--------------------> Refunded
///               --dispute (either)------------------> Disputed
///     Disputed  --resolve (arbiter), concede (either), resolveBySilence (anyone, too late)--> Resolved
///
/// Nobody can make a deal hang by silence. Payee silent: after `deliverBy` anyone may refund. Payer silent: once
/// `reviewSeconds` have passed since delivery was declared, anyone may release. Arbiter silent: once
/// `arbitrationSeconds` have passed since the dispute was raised, anyone may apply the split the deal names for that.
/// Released, refunded and resolved are final. Payments are pulled, each party's on its own, and anyone may trigger one:
/// it goes to that party only.
///
/// The arbiter is named by the deal, decides disputed deals only, in time, and can do nothing but split the amount
/// between payer and payee. There is no administrator, no fee and no pause. The payer alone opens a deal: a payee should
/// read its terms, arbiter included, before he performs; he may refund it at any time.
/// @dev A deal is stored as one slot under the hash of its terms; every call repeats the terms, which `DealOpened` holds.
/// Amounts are in units of the payment token, times in Unix seconds. Assumes a token that does not change balances on
/// its own: with one that does, deals share the loss in the order of collection. Tokens that take a fee are refused,
/// tokens that return nothing are handled.
interface IEscrow {
    /// @notice The terms of a deal.
    /// @param payer Opens the deal and pays.
    /// @param payee Is to deliver.
    /// @param arbiter Decides disputes; neither of the two.
    /// @param amount What is paid.
    /// @param deliverBy Until when the payee may declare delivery, and either may dispute before it; at most five years
    /// ahead.
    /// @param reviewSeconds Time to dispute after delivery was declared, at most a year.
    /// @param arbitrationSeconds Time for the arbiter to decide, at most a year.
    /// @param silenceBps The payee's share, in basis points, should the arbiter not decide.
    /// @param termsHash Hash of the terms document; zero for none.
    /// @param subject Product id or certificate code the deal is about; zero for none. Not looked up.
    /// @param salt Tells equal deals apart.
    struct Deal {
        address payer;
        address payee;
        address arbiter;
        uint96 amount;
        uint40 deliverBy;
        uint32 reviewSeconds;
        uint32 arbitrationSeconds;
        uint16 silenceBps;
        bytes32 termsHash;
        bytes32 subject;
        bytes32 salt;
    }

    enum State {
        None,
        Open,
        Delivered,
        Disputed,
        Released,
        Refunded,
        Resolved
    }

    /// @notice Where a deal stands.
    /// @param since When it was opened, delivered or disputed; then unchanged.
    /// @param payeeShare The payee's part of the amount, once final; the rest is the payer's.
    /// @param payerPaid Whether the payer has his share.
    /// @param payeePaid Whether the payee has his share.
    struct Status {
        State state;
        uint40 since;
        uint96 payeeShare;
        bool payerPaid;
        bool payeePaid;
    }

    /* EVENTS */

    /// @notice A deal was opened and its amount received. The parameters are its terms.
    event DealOpened(
        bytes32 indexed dealId,
        address indexed payer,
        address indexed payee,
        address arbiter,
        uint96 amount,
        uint40 deliverBy,
        uint32 reviewSeconds,
        uint32 arbitrationSeconds,
        uint16 silenceBps,
        bytes32 termsHash,
        bytes32 subject,
        bytes32 salt
    );
    /// @notice The payee says that he delivered; the payer has until `reviewUntil` to dispute.
    event DeliveryDeclared(bytes32 indexed dealId, uint40 reviewUntil);
    /// @notice All of `amount` is the payee's. `by` is the payer, or anyone after the review time.
    event Released(bytes32 indexed dealId, address indexed by, uint96 amount);
    /// @notice All of `amount` is the payer's. `by` is the payee, or anyone after the time of delivery.
    event Refunded(bytes32 indexed dealId, address indexed by, uint96 amount);
    /// @notice A party raised a dispute; the arbiter has until `resolveBy`. `reason` is the hash of its statement.
    event DisputeRaised(bytes32 indexed dealId, address indexed by, bytes32 reason, uint40 resolveBy);
    /// @notice A dispute ended: by the arbiter, by the party that conceded, or by anyone after the arbiter's time.
    event DisputeResolved(bytes32 indexed dealId, address indexed by, uint96 payeeShare, uint96 payerShare);
    /// @notice A party was paid its share.
    event Collected(bytes32 indexed dealId, address indexed party, uint256 amount);

    /* ERRORS */

    /// @notice Thrown when payer, payee and arbiter are not three accounts, or the payee cannot be paid.
    error BadParties(address payer, address payee, address arbiter);
    /// @notice Thrown when a deal is over nothing.
    error ZeroAmount();
    /// @notice Thrown when the time of delivery is over or too far ahead, or another time is zero or above a year.
    error BadTimes(uint40 deliverBy, uint32 reviewSeconds, uint32 arbitrationSeconds);
    /// @notice Thrown when a share is above all there is.
    error ShareTooLarge(uint256 share, uint256 whole);
    /// @notice Thrown when the same deal was opened before.
    error DealExists(bytes32 dealId);
    /// @notice Thrown when the deal's state does not allow the call; `None` when there is no such deal.
    error WrongState(bytes32 dealId, State state);
    /// @notice Thrown when the caller may not do this, or not yet: a time-out opens it to all after `openToAllAfter`,
    /// 0 for never.
    error NotAllowed(bytes32 dealId, address caller, uint256 openToAllAfter);
    /// @notice Thrown when the time for the call is over.
    error TooLate(bytes32 dealId, uint256 deadline);
    /// @notice Thrown when the account has no share in the deal, or has it already.
    error NothingToCollect(bytes32 dealId, address account);
    /// @notice Thrown when the token delivered another amount than asked for, as fee-on-transfer tokens do.
    error UnexpectedTransfer(uint256 asked, uint256 received);

    /* STEPS */

    /// @notice Opens a deal and takes its amount from the caller, who must be its payer.
    function open(Deal calldata deal) external returns (bytes32 dealId);

    /// @notice As `open`, by the payer's ERC-2612 permit for this contract over the amount. A permit that somebody
    /// already handed to the token is no obstacle. The caller must be the payer: a permit names no deal.
    function openWithPermit(Deal calldata deal, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        returns (bytes32 dealId);

    /// @notice Says that the payee delivered. Payee only, while open, not after `deliverBy`.
    function declareDelivery(Deal calldata deal) external;

    /// @notice Gives all to the payee. Payer, while open or delivered; anyone once the review time is over.
    function release(Deal calldata deal) external;

    /// @notice Gives all back to the payer. Payee, while open or delivered; anyone once `deliverBy` has passed
    /// without delivery being declared.
    function refund(Deal calldata deal) external;

    /// @notice Calls the arbiter. Payer or payee, while open and not after `deliverBy`, or while delivered and within
    /// the review time.
    function dispute(Deal calldata deal, bytes32 reason) external;

    /// @notice Splits the amount. Arbiter only, while disputed, within his time.
    function resolve(Deal calldata deal, uint96 payeeShare) external;

    /// @notice Ends a dispute in the other party's favour. Payer or payee, while disputed.
    function concede(Deal calldata deal) external;

    /// @notice Ends a dispute whose arbiter let his time pass, by the deal's `silenceBps`, rounded down for the payee.
    /// Anyone.
    function resolveBySilence(Deal calldata deal) external;

    /// @notice Pays `account`, a party of a final deal, its share. Anyone.
    function collect(Deal calldata deal, address account) external;

    /* VIEWS */

    /// @notice The token all deals are paid in.
    function paymentToken() external view returns (address);

    /// @notice Hash of a deal's terms, its name here.
    function dealIdOf(Deal calldata deal) external pure returns (bytes32);

    function statusOf(bytes32 dealId) external view returns (Status memory);

    /// @notice What is held of the deal's amount and not paid out yet.
    function heldOf(Deal calldata deal) external view returns (uint256);
}

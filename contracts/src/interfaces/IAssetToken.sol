// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IParticipantRegistry} from "./IParticipantRegistry.sol";

/// @title Fractions of one plant: an ERC-20 that only cleared accounts hold, and that earns the plant's revenue.
/// @notice One unit is one whole fraction (`decimals() == 0`). All fractions are issued to the plant's owner when the
/// token is created, and their number never changes: what the owner has not sold is his part of the plant, and earns
/// like any other. Revenue is paid in by anyone and belongs, at that moment, to those who hold the fractions; a transfer
/// in mid-period leaves what was earned before it with the sender.
/// @dev Assumptions: the registry tells the truth about clearance; the payment token is not rebasing and moves exactly
/// what it is asked to (others are refused when they pay in). There is no pause: a freeze in the registry stops one
/// account, and nobody should be able to stop all holders' revenue. There is no way to mint, burn, upgrade or withdraw.
/// What breaks if the registry lies: fractions may be held by the wrong people; revenue still adds up.
interface IAssetToken is IERC20 {
    /// @param price Payment token units for one fraction.
    /// @param fractions How many are still for sale.
    /// @param until Unix seconds of the last moment of the sale.
    struct Offer {
        uint96 price;
        uint96 fractions;
        uint64 until;
    }

    /// @param buyer Who pays and receives the fractions.
    /// @param fractions How many.
    /// @param maxCost The most he pays in all, payment token units.
    /// @param nonce `nonces(buyer)`; shared with the ERC-2612 permits of this token.
    /// @param deadline Unix seconds of the last moment at which it may be carried out.
    struct Purchase {
        address buyer;
        uint96 fractions;
        uint256 maxCost;
        uint256 nonce;
        uint256 deadline;
    }

    /// @param depositor Who pays.
    /// @param amount Revenue in payment token units.
    /// @param distributionId The depositor's name for it; not zero, and never used by him before.
    /// @param deadline Unix seconds of the last moment at which it may be carried out.
    struct Deposit {
        address depositor;
        uint256 amount;
        bytes32 distributionId;
        uint256 deadline;
    }

    /// @notice An ERC-2612 permit of the payment token for this contract; `value` zero: there is an allowance already.
    struct Permit {
        uint256 value;
        uint256 deadline;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    /// @notice The owner put fractions on sale, or took them off it (`fractions` zero).
    /// @param owner Who sells.
    /// @param price Payment token units for one fraction.
    /// @param fractions How many are for sale from now on.
    /// @param until Unix seconds of the last moment of the sale.
    event OfferSet(address indexed owner, uint96 price, uint96 fractions, uint64 until);

    /// @notice Fractions were bought from the owner; a `Transfer` stands beside it.
    /// @param buyer Who paid and received them.
    /// @param seller The owner, who was paid.
    /// @param fractions How many.
    /// @param price Payment token units for one fraction.
    /// @param cost What was paid in all: price times fractions.
    event FractionsBought(
        address indexed buyer, address indexed seller, uint96 fractions, uint96 price, uint256 cost
    );

    /// @notice Revenue was paid in, for those who hold fractions now.
    /// @param depositor Who paid.
    /// @param distributionId The depositor's name for it; zero where he gave none.
    /// @param amount Payment token units.
    /// @param revenuePerFraction All revenue so far for one fraction, in units of 2^-60 of a payment token unit.
    event RevenueDeposited(
        address indexed depositor, bytes32 indexed distributionId, uint256 amount, uint256 revenuePerFraction
    );

    /// @notice A holder was paid his revenue.
    /// @param account The holder.
    /// @param amount Payment token units.
    event RevenueClaimed(address indexed account, uint256 amount);

    /// @notice Fractions were moved by a legal order; a `Transfer` stands beside it.
    /// @param from Who lost them.
    /// @param to Who received them.
    /// @param fractions How many.
    /// @param revenue Unclaimed revenue that went with them, payment token units.
    /// @param reason The order, in words or as a reference.
    event ForcedTransfer(
        address indexed from, address indexed to, uint256 fractions, uint256 revenue, string reason
    );

    /// @notice The plant's papers changed.
    /// @param root Merkle root of the documents' hashes.
    /// @param metadataURI Where the description of the asset is.
    event DocumentsSet(bytes32 root, string metadataURI);

    /// @notice The owner named who shall follow him.
    event OwnershipOffered(address indexed owner, address indexed heir);

    /// @notice The asset has a new owner; an offer of the old one ended.
    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);

    /// @notice Thrown when an account is not cleared by the registry at this time, or frozen.
    error NotCleared(address account);

    /// @notice Thrown when somebody else than the asset's owner calls.
    error NotOwner(address caller, address owner);

    /// @notice Thrown when somebody else than the heir the owner named takes the ownership.
    error NotHeir(address caller, address heir);

    /// @notice Thrown when somebody else than the factory calls.
    error NotFactory(address caller);

    /// @notice Thrown when the fractions are issued a second time, or none or more than 2^60 are.
    error CannotIssue(uint256 supply, uint256 issued);

    /// @notice Thrown when nothing would move.
    error ZeroAmount();

    /// @notice Thrown when the owner buys from himself.
    error SelfPurchase(address owner);

    /// @notice Thrown when more is asked for than is for sale.
    error OfferExceeded(uint256 fractions, uint256 offered);

    /// @notice Thrown when the sale is over.
    error OfferEnded(uint64 until);

    /// @notice Thrown when the fractions cost more than the buyer allows.
    error CostAboveLimit(uint256 cost, uint256 maxCost);

    /// @notice Thrown when a payment token does not move exactly what it was asked to.
    error WrongAmountReceived(uint256 expected, uint256 received);

    /// @notice Thrown when all revenue ever paid in would exceed 2^96 - 1 units.
    error RevenueOutOfRange(uint256 deposited, uint256 amount);

    /// @notice Thrown when the depositor used this id before.
    error DistributionRepeated(address depositor, bytes32 distributionId);

    /// @notice Thrown when a signed deposit has no id: it could be carried out twice.
    error DistributionUnnamed(address depositor);

    /// @notice Thrown when a signed message is carried out too late.
    error SignatureExpired(uint256 deadline);

    /// @notice Thrown when the signature is malformed, has a high s, or is not the account's.
    error BadSignature(address account, bytes32 digest);

    /* SALE */

    /// @notice Puts `fractions` of the owner's on sale at `price` each until `until`, in place of any earlier offer.
    /// Owner only. The owner keeps the fractions, and their revenue, until they are bought.
    function setOffer(uint96 price, uint96 fractions, uint64 until) external;

    /// @notice Buys from the owner, who is paid in the same step. The caller allowed this contract to take the cost.
    /// @param fractions How many.
    /// @param maxCost The most the caller pays in all: holds against a price raised meanwhile.
    /// @return cost What he paid, payment token units.
    function buy(uint96 fractions, uint256 maxCost) external returns (uint256 cost);

    /// @notice `buy` with the allowance given in the same step.
    function buyWithPermit(uint96 fractions, uint256 maxCost, Permit calldata permit_)
        external
        returns (uint256 cost);

    /// @notice Buys for whoever signed `purchase` (EIP-712). Anyone may carry it out, once; he pays the gas alone.
    function buyFor(Purchase calldata purchase, bytes calldata signature, Permit calldata permit_)
        external
        returns (uint256 cost);

    /* REVENUE */

    /// @notice Pays in revenue for those who hold fractions now. Anyone may. The division's remainder is kept for the
    /// next deposit, so that no unit is lost.
    /// @param amount Payment token units.
    /// @param distributionId A name that the caller may use once; zero for none.
    function depositRevenue(uint256 amount, bytes32 distributionId) external;

    /// @notice `depositRevenue` with the allowance given in the same step.
    function depositRevenueWithPermit(uint256 amount, bytes32 distributionId, Permit calldata permit_)
        external;

    /// @notice Pays in for whoever signed `deposit` (EIP-712). Anyone may carry it out, once.
    function depositRevenueFor(Deposit calldata deposit, bytes calldata signature, Permit calldata permit_)
        external;

    /// @notice Pays the caller his revenue, rounded down to whole units; the rest stays his. He must be cleared: what a
    /// frozen holder earned waits for him.
    /// @return amount Payment token units; nothing happens where it is zero.
    function claim() external returns (uint256 amount);

    /// @notice Pays each of `accounts` his revenue. Anyone may call it. Those who are not cleared are passed over.
    /// @return amount Payment token units in all.
    function claimFor(address[] calldata accounts) external returns (uint256 amount);

    /// @notice What `account` would be paid now if it is cleared, payment token units.
    function claimable(address account) external view returns (uint256 amount);

    /// @notice The books: `perFraction * totalSupply + carried == deposited * 2^60`, always.
    /// @return deposited All revenue ever paid in, payment token units.
    /// @return perFraction All revenue so far for one fraction, in units of 2^-60 of a payment token unit.
    /// @return carried What the next deposit shares, in the same units.
    function revenue() external view returns (uint256 deposited, uint256 perFraction, uint256 carried);

    /// @notice Whether `depositor` has used this id.
    function isDistributed(address depositor, bytes32 distributionId) external view returns (bool);

    /* OWNER AND PAPERS */

    /// @notice Says which papers are valid now. Owner only.
    /// @param root Merkle root of the documents' hashes.
    /// @param metadataURI Where the description of the asset is.
    function setDocuments(bytes32 root, string calldata metadataURI) external;

    /// @notice Names who shall own the asset; zero for nobody. Owner only. Fractions do not move with it.
    function offerOwnership(address heir_) external;

    /// @notice Takes the ownership; the old owner's offer ends. Only by who was named and is cleared.
    function acceptOwnership() external;

    /* FACTORY */

    /// @notice Issues all fractions, 1 to 2^60, to the owner. Factory only, once.
    function issue(
        address owner_,
        uint96 supply,
        string calldata name_,
        string calldata symbol_,
        bytes32 documentsRoot,
        string calldata metadataURI
    ) external;

    /// @notice Moves fractions by a legal order, whatever the holder's clearance. Factory only (for its
    /// administrator). The receiver must be cleared.
    /// @param withRevenue Whether the holder's unclaimed revenue, whole units, goes with them: for a lost key.
    function forceTransfer(
        address from,
        address to,
        uint96 fractions,
        bool withRevenue,
        string calldata reason
    ) external;

    /* VIEWS */

    /// @notice The factory that created this token and that alone may force transfers.
    function factory() external view returns (address);

    function registry() external view returns (IParticipantRegistry);

    function paymentToken() external view returns (IERC20);

    /// @notice Who sells fractions and keeps the papers.
    function owner() external view returns (address);

    /// @notice Who may take the ownership.
    function heir() external view returns (address);

    function offer() external view returns (Offer memory);

    /// @notice Merkle root of the valid papers' hashes, and where the description of the asset is.
    function documents() external view returns (bytes32 root, string memory metadataURI);

    /// @notice What `purchase.buyer` signs.
    function purchaseDigest(Purchase calldata purchase) external view returns (bytes32);

    /// @notice What `deposit.depositor` signs.
    function depositDigest(Deposit calldata deposit) external view returns (bytes32);
}

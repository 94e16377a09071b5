// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IParticipantMirror, IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {ISettlementErrors} from "../interfaces/ISettlementErrors.sol";
import {ISettlementExchange} from "../interfaces/ISettlementExchange.sol";
import {AccountWord} from "./AccountWord.sol";
import {BatchWord} from "./BatchWord.sol";
import {OrderHash} from "./OrderHash.sol";

/// @title Accounts of money and energy: what comes in, what goes out, who may move it.
/// @dev The owner's way out, `requestWithdrawal` and `executeWithdrawal`, depends on no role and no pause.
abstract contract Vault is
    ISettlementExchange,
    ISettlementErrors,
    IParticipantMirror,
    AccessManaged,
    EIP712,
    ReentrancyGuardTransient
{
    using SafeERC20 for IERC20;
    using AccountWord for uint256;
    using BatchWord for uint256;

    /// @dev One storage slot. `budget` is what is left of it; `chargedInSlot` belongs to `lastSlot`.
    struct MandateState {
        uint48 budgetPerSlot;
        uint48 chargedInSlot;
        uint64 budget;
        uint32 expiry;
        uint32 nonce;
        uint32 lastSlot;
    }

    /// @dev A packed storage slot. A struct, so that a function can hold the slot and hash its key once.
    struct Word {
        uint256 value;
    }

    struct Withdrawal {
        uint96 cash;
        uint64 energyWh;
        uint64 readyAt;
    }

    uint32 private constant MAX_DELAY = 1 hours;

    /// @dev Slots that began longer than this before an account's first mandate share one budget.
    uint32 private constant FIRST_MANDATE_REACH = 1 hours;

    /// @dev Flag of IParticipantRegistry.Participant.
    uint8 private constant FROZEN = 4;

    bytes32 private constant PERMIT_TYPEHASH =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    IParticipantRegistry public immutable registry;
    IERC20 public immutable paymentToken;
    IERC20 public immutable energyToken;

    /// @notice Length of a delivery slot in seconds; slots start at its multiples.
    uint32 public immutable slotSeconds;

    /// @notice Seconds between announcing and executing a withdrawal.
    uint32 public immutable withdrawalDelay;

    /// @notice The only contract that may credit production.
    address public ledger;

    /// @dev How many books of trading mandates are registered. The exchange ends their numbers long before the field is full.
    uint32 internal _books;

    mapping(address account => bool) public isSettler;

    /// @dev All that a batch changes once, packed as `BatchWord` says.
    uint256 internal _batch;

    /// @dev Packed as `AccountWord` says.
    mapping(address account => Word) internal _accounts;
    mapping(address account => MandateState) internal _mandates;
    mapping(address account => Withdrawal) private _withdrawals;

    constructor(
        address authority,
        IParticipantRegistry registry_,
        IERC20 paymentToken_,
        IERC20 energyToken_,
        uint32 slotSeconds_,
        uint32 withdrawalDelay_
    ) AccessManaged(authority) EIP712("Gridtrace Exchange", "1") {
        if (withdrawalDelay_ > MAX_DELAY) revert DelayTooLong(withdrawalDelay_);
        if (slotSeconds_ == 0) revert ZeroSlot();
        registry = registry_;
        paymentToken = paymentToken_;
        energyToken = energyToken_;
        slotSeconds = slotSeconds_;
        withdrawalDelay = withdrawalDelay_;
    }

    modifier whenNotPaused() {
        if (_batch.isPaused()) revert IsPaused();
        _;
    }

    /* IN */

    /// @inheritdoc ISettlementExchange
    function deposit(uint256 cash) external nonReentrant whenNotPaused {
        _depositCash(msg.sender, cash);
    }

    /// @inheritdoc ISettlementExchange
    function depositWithPermit(address owner, uint256 cash, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
        whenNotPaused
    {
        try IERC20Permit(address(paymentToken)).permit(owner, address(this), cash, deadline, v, r, s) {}
        catch {
            _requireUsedPermit(owner, cash, deadline, v, r, s);
        }
        _depositCash(owner, cash);
    }

    /// @inheritdoc ISettlementExchange
    function depositEnergy(uint256 energyWh) external nonReentrant whenNotPaused {
        _pull(energyToken, msg.sender, energyWh);
        _accounts[msg.sender].value = _accounts[msg.sender].value.addEnergy(msg.sender, energyWh);
        emit Deposited(msg.sender, 0, energyWh);
    }

    /// @inheritdoc ISettlementExchange
    function creditProduction(address[] calldata owners, uint64[] calldata energyWh) external {
        if (msg.sender != ledger) revert NotLedger(msg.sender);
        if (owners.length != energyWh.length) revert LengthMismatch(owners.length, energyWh.length);
        for (uint256 i; i < owners.length; ++i) {
            if (energyWh[i] == 0) continue;
            _accounts[owners[i]].value = _accounts[owners[i]].value.addEnergy(owners[i], energyWh[i]);
            emit Deposited(owners[i], 0, energyWh[i]);
        }
    }

    /* OUT */

    /// @inheritdoc ISettlementExchange
    function requestWithdrawal(uint96 cash, uint64 energyWh) external {
        uint256 word = _accounts[msg.sender].value;
        if (word.cash() < cash) revert InsufficientCash(msg.sender, word.cash(), cash);
        if (word.energy() < energyWh) revert InsufficientEnergy(msg.sender, word.energy(), energyWh);
        uint64 readyAt = cash == 0 && energyWh == 0 ? 0 : uint64(block.timestamp) + withdrawalDelay;
        _withdrawals[msg.sender] = Withdrawal({cash: cash, energyWh: energyWh, readyAt: readyAt});
        emit WithdrawalRequested(msg.sender, cash, energyWh, readyAt);
    }

    /// @inheritdoc ISettlementExchange
    function executeWithdrawal() external nonReentrant {
        Withdrawal memory due = _withdrawals[msg.sender];
        if (due.readyAt == 0 || due.readyAt > block.timestamp) {
            revert WithdrawalNotReady(msg.sender, due.readyAt);
        }
        uint256 word = _accounts[msg.sender].value;
        uint256 cash = word.cash() < due.cash ? word.cash() : due.cash;
        uint256 energyWh = word.energy() < due.energyWh ? word.energy() : due.energyWh;

        delete _withdrawals[msg.sender];
        _accounts[msg.sender].value = word.subCash(msg.sender, cash).subEnergy(msg.sender, energyWh);
        emit WithdrawalExecuted(msg.sender, cash, energyWh);

        if (cash != 0) paymentToken.safeTransfer(msg.sender, cash);
        if (energyWh != 0) energyToken.safeTransfer(msg.sender, energyWh);
    }

    /// @inheritdoc ISettlementExchange
    function withdrawFees(address to, uint96 cash) external restricted nonReentrant {
        if (to == address(0) || cash == 0) revert ZeroAmount();
        uint256 collected = _batch.fees();
        if (collected < cash) revert InsufficientFees(collected, cash);
        _batch = _batch.withoutFees(cash);
        emit FeesWithdrawn(to, cash);
        paymentToken.safeTransfer(to, cash);
    }

    /* WHAT AN OWNER ALLOWS */

    /// @inheritdoc ISettlementExchange
    function raiseNonce(uint48 minNonce) external {
        uint256 word = _accounts[msg.sender].value;
        uint48 current = word.minNonce();
        if (minNonce <= current) revert NonceNotRaised(msg.sender, current, minNonce);
        _accounts[msg.sender].value = word.withMinNonce(minNonce);
        emit NonceRaised(msg.sender, minNonce);
    }

    /// @inheritdoc ISettlementExchange
    function setMandate(Mandate calldata mandate, bytes calldata signature) external {
        bytes32 digest = mandateDigest(mandate);
        (address signer, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (failure != ECDSA.RecoverError.NoError || signer != mandate.account) {
            revert BadSignature(mandate.account, digest);
        }
        MandateState storage state = _mandates[mandate.account];
        if (mandate.nonce <= state.nonce) {
            revert MandateNonceUsed(mandate.account, mandate.nonce, state.nonce);
        }

        uint64 perSlot = mandate.budgetPerSlot;
        state.budgetPerSlot = perSlot > type(uint48).max ? type(uint48).max : uint48(perSlot);
        state.budget = mandate.budget;
        state.expiry = mandate.expiry;
        state.nonce = mandate.nonce;
        // Otherwise each slot since 1970 would begin with a budget of its own.
        if (state.lastSlot == 0) state.lastSlot = uint32(block.timestamp - FIRST_MANDATE_REACH);
        emit MandateSet(mandate.account, perSlot, mandate.budget, mandate.expiry, mandate.nonce);
    }

    /* ADMINISTRATION */

    /// @inheritdoc IParticipantMirror
    function syncParticipant(address account) external {
        IParticipantRegistry.Participant memory entry = registry.participant(account);
        _accounts[account].value =
            _accounts[account].value.withClearance(entry.flags & FROZEN == 0 ? entry.kycUntil : 0);
    }

    /// @inheritdoc ISettlementExchange
    function setLedger(address ledger_) external restricted {
        if (ledger != address(0) || ledger_ == address(0)) revert LedgerFixed(ledger);
        ledger = ledger_;
        emit LedgerSet(ledger_);
    }

    /// @inheritdoc ISettlementExchange
    function setSettler(address settler, bool allowed) external restricted {
        isSettler[settler] = allowed;
        if (!allowed && _batch.settler() == settler) _batch = _batch.withSettler(address(0));
        emit SettlerSet(settler, allowed);
    }

    /// @inheritdoc ISettlementExchange
    function pause() external restricted {
        _batch = _batch.withPause(true);
        emit Paused(msg.sender);
    }

    /// @inheritdoc ISettlementExchange
    function unpause() external restricted {
        _batch = _batch.withPause(false);
        emit Unpaused(msg.sender);
    }

    /* VIEWS */

    /// @inheritdoc ISettlementExchange
    function accountOf(address account)
        external
        view
        returns (uint256 cash, uint256 energyWh, uint48 minNonce)
    {
        uint256 word = _accounts[account].value;
        return (word.cash(), word.energy(), word.minNonce());
    }

    /// @inheritdoc ISettlementExchange
    function mandateOf(address account)
        external
        view
        returns (uint64 budgetPerSlot, uint64 budget, uint32 expiry, uint32 nonce)
    {
        MandateState storage state = _mandates[account];
        return (state.budgetPerSlot, state.budget, state.expiry, state.nonce);
    }

    /// @inheritdoc ISettlementExchange
    function withdrawalOf(address account)
        external
        view
        returns (uint96 cash, uint64 energyWh, uint64 readyAt)
    {
        Withdrawal storage due = _withdrawals[account];
        return (due.cash, due.energyWh, due.readyAt);
    }

    /// @inheritdoc ISettlementExchange
    function clearanceOf(address account) external view returns (uint32 clearedUntil) {
        return _accounts[account].value.clearedUntil();
    }

    /// @inheritdoc ISettlementExchange
    function accountLaneOf(address account)
        external
        view
        returns (uint32 deliveryStart, uint8 side, uint32 filledWh)
    {
        uint256 word = _accounts[account].value;
        return (word.lastSlot(), word.lastSide(), word.filledWh());
    }

    /// @inheritdoc ISettlementExchange
    function fees() external view returns (uint256) {
        return _batch.fees();
    }

    /// @inheritdoc ISettlementExchange
    function paused() external view returns (bool) {
        return _batch.isPaused();
    }

    /// @inheritdoc ISettlementExchange
    function nextSequence() external view returns (uint64) {
        return _batch.nextSequence();
    }

    /// @inheritdoc ISettlementExchange
    function orderDigest(Order calldata order) external view returns (bytes32) {
        return _hashTypedDataV4(OrderHash.hash(order));
    }

    /// @inheritdoc ISettlementExchange
    function mandateDigest(Mandate calldata mandate) public view returns (bytes32) {
        return _hashTypedDataV4(OrderHash.hash(mandate));
    }

    /* INTERNALS */

    function _depositCash(address owner, uint256 cash) private {
        _pull(paymentToken, owner, cash);
        _accounts[owner].value = _accounts[owner].value.addCash(owner, cash);
        emit Deposited(owner, cash, 0);
    }

    /// @dev Takes exactly `amount` or reverts: an account is never credited with what did not arrive.
    function _pull(IERC20 token, address from, uint256 amount) private {
        if (amount == 0) revert ZeroAmount();
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(from, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != amount) revert UnexpectedTransfer(amount, received);
    }

    /// @dev A permit can be handed to the token by anyone who sees it, which makes ours fail. It still is the owner's
    /// word if it carries the nonce the token has just used and its allowance is exactly there; an older one, or one
    /// for an allowance given otherwise, is not.
    function _requireUsedPermit(address owner, uint256 cash, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        private
        view
    {
        IERC20Permit token = IERC20Permit(address(paymentToken));
        uint256 nonce = token.nonces(owner);
        if (nonce != 0 && block.timestamp <= deadline && paymentToken.allowance(owner, address(this)) == cash)
        {
            bytes32 permitHash =
                keccak256(abi.encode(PERMIT_TYPEHASH, owner, address(this), cash, nonce - 1, deadline));
            bytes32 digest = MessageHashUtils.toTypedDataHash(token.DOMAIN_SEPARATOR(), permitHash);
            (address signer, ECDSA.RecoverError failure,) = ECDSA.tryRecover(digest, v, r, s);
            if (failure == ECDSA.RecoverError.NoError && signer == owner) return;
        }
        revert PermitUnusable(owner);
    }
}

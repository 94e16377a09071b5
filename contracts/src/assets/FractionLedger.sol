// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IAssetToken} from "../interfaces/IAssetToken.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";

/// @title Who holds how many fractions, and how much revenue is his.
/// @dev One storage slot a holder: his fractions (96 bits) and his debt (160 bits, signed). With R the revenue of one
/// fraction so far, in units of 2^-60 payment units, a holder's revenue is
///
///     R * fractions - debt
///
/// so that a transfer of n fractions only lowers the sender's debt by R * n and raises the receiver's by as much: what
/// was earned before stays, what comes after follows the fractions, and nothing is rounded. A payment raises the debt by
/// what was paid. R and the remainder of its last division share one slot. No product exceeds 2^156: all revenue is below
/// 2^96 units of 2^60, and R times any holder's fractions is no more than that.
abstract contract FractionLedger is IAssetToken, IERC20Metadata, IERC20Permit, IERC20Errors, EIP712, Nonces {
    uint256 internal constant ONE_UNIT = 1 << 60;

    uint256 private constant FRACTION_BITS = 96;
    uint256 private constant FRACTIONS = type(uint96).max;

    bytes32 private constant PERMIT_TYPEHASH =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    /// @inheritdoc IAssetToken
    IParticipantRegistry public immutable registry;

    uint256 private _totalSupply;

    /// @dev Revenue of one fraction (160 bits), carried remainder (96 bits).
    uint256 private _revenue;

    /// @dev Debt (160 bits, signed), fractions (96 bits).
    mapping(address account => uint256) private _holders;

    mapping(address account => mapping(address spender => uint256)) private _allowances;

    string private _name;
    string private _symbol;

    constructor(IParticipantRegistry registry_) EIP712("Gridtrace Asset", "1") {
        registry = registry_;
    }

    /* ERC-20 */

    /// @inheritdoc IERC20
    function transfer(address to, uint256 fractions) external returns (bool) {
        _move(msg.sender, to, fractions);
        return true;
    }

    /// @inheritdoc IERC20
    function transferFrom(address from, address to, uint256 fractions) external returns (bool) {
        uint256 allowed = _allowances[from][msg.sender];
        if (allowed != type(uint256).max) {
            if (allowed < fractions) revert ERC20InsufficientAllowance(msg.sender, allowed, fractions);
            _allowances[from][msg.sender] = allowed - fractions;
        }
        _move(from, to, fractions);
        return true;
    }

    /// @inheritdoc IERC20
    function approve(address spender, uint256 fractions) external returns (bool) {
        _approve(msg.sender, spender, fractions);
        return true;
    }

    /// @inheritdoc IERC20Permit
    function permit(
        address owner_,
        address spender,
        uint256 value,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(PERMIT_TYPEHASH, owner_, spender, value, _useNonce(owner_), deadline))
        );
        (address signer, ECDSA.RecoverError failure,) = ECDSA.tryRecover(digest, v, r, s);
        if (failure != ECDSA.RecoverError.NoError || signer != owner_) revert BadSignature(owner_, digest);
        _approve(owner_, spender, value);
    }

    /// @inheritdoc IERC20
    function totalSupply() public view returns (uint256) {
        return _totalSupply;
    }

    /// @inheritdoc IERC20
    function balanceOf(address account) external view returns (uint256) {
        return _holders[account] & FRACTIONS;
    }

    /// @inheritdoc IERC20
    function allowance(address account, address spender) external view returns (uint256) {
        return _allowances[account][spender];
    }

    /// @inheritdoc IERC20Metadata
    function name() external view returns (string memory) {
        return _name;
    }

    /// @inheritdoc IERC20Metadata
    function symbol() external view returns (string memory) {
        return _symbol;
    }

    /// @inheritdoc IERC20Metadata
    function decimals() external pure returns (uint8) {
        return 0;
    }

    /// @inheritdoc IERC20Permit
    function nonces(address account) public view override(Nonces, IERC20Permit) returns (uint256) {
        return Nonces.nonces(account);
    }

    /// @inheritdoc IERC20Permit
    // solhint-disable-next-line func-name-mixedcase
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /* REVENUE */

    /// @inheritdoc IAssetToken
    function claimable(address account) public view returns (uint256 amount) {
        return _earned(_holders[account]) / ONE_UNIT;
    }

    /// @inheritdoc IAssetToken
    function revenue() public view returns (uint256 deposited, uint256 perFraction, uint256 carried) {
        (perFraction, carried) = (_revenue >> FRACTION_BITS, _revenue & FRACTIONS);
        deposited = (perFraction * _totalSupply + carried) / ONE_UNIT;
    }

    /// @dev Shares `amount` among all fractions. What cannot be divided is carried: less than the number of fractions in
    /// units of 2^-60, so less than one unit of the payment token.
    function _addRevenue(uint256 amount) internal returns (uint256 perFraction) {
        uint256 deposited;
        uint256 carried;
        (deposited, perFraction, carried) = revenue();
        if (amount > type(uint96).max - deposited) revert RevenueOutOfRange(deposited, amount);
        uint256 supply = _totalSupply;
        carried += amount * ONE_UNIT;
        perFraction += carried / supply;
        _revenue = perFraction << FRACTION_BITS | carried % supply;
    }

    /// @dev Takes the holder's whole units out of the books; the rest of his revenue stays his.
    function _takeRevenue(address account) internal returns (uint256 amount) {
        uint256 word = _holders[account];
        amount = _earned(word) / ONE_UNIT;
        if (amount != 0) _holders[account] = _charged(word, int256(amount * ONE_UNIT));
    }

    /// @dev Puts units that were taken out elsewhere to a holder's credit.
    function _giveRevenue(address account, uint256 amount) internal {
        _holders[account] = _charged(_holders[account], -int256(amount * ONE_UNIT));
    }

    /* INTERNALS */

    /// @dev All fractions, once.
    function _issue(address to, uint96 supply, string calldata name_, string calldata symbol_) internal {
        if (supply == 0 || supply > ONE_UNIT || _totalSupply != 0) revert CannotIssue(supply, _totalSupply);
        _requireCleared(to);
        (_totalSupply, _name, _symbol) = (supply, name_, symbol_);
        _holders[to] = supply;
        emit Transfer(address(0), to, supply);
    }

    /// @dev Between cleared accounts.
    function _move(address from, address to, uint256 fractions) internal {
        if (!registry.areCleared(from, to)) {
            _requireCleared(from);
            revert NotCleared(to);
        }
        _shift(from, to, fractions);
    }

    /// @dev To an account that was found cleared. Each word is read after the other was written: from may be to.
    function _shift(address from, address to, uint256 fractions) internal {
        uint256 word = _holders[from];
        if (word & FRACTIONS < fractions) {
            revert ERC20InsufficientBalance(from, word & FRACTIONS, fractions);
        }
        unchecked {
            // R * fractions is at most all revenue, below 2^156, and so are both debts.
            int256 earlier = int256((_revenue >> FRACTION_BITS) * fractions);
            _holders[from] = _charged(word, -earlier) - fractions;
            _holders[to] = _charged(_holders[to], earlier) + fractions;
        }
        emit Transfer(from, to, fractions);
    }

    function _approve(address account, address spender, uint256 fractions) private {
        if (spender == address(0)) revert ERC20InvalidSpender(spender);
        _allowances[account][spender] = fractions;
        emit Approval(account, spender, fractions);
    }

    function _requireCleared(address account) internal view {
        if (!registry.isCleared(account, 0)) revert NotCleared(account);
    }

    /// @dev In units of 2^-60: never negative, since a debt only comes from revenue that was there.
    function _earned(uint256 word) private view returns (uint256) {
        uint256 all = (_revenue >> FRACTION_BITS) * (word & FRACTIONS);
        return uint256(int256(all) - (int256(word) >> FRACTION_BITS));
    }

    /// @dev The word with its debt raised.
    function _charged(uint256 word, int256 by) private pure returns (uint256) {
        unchecked {
            return word + (uint256(by) << FRACTION_BITS);
        }
    }
}

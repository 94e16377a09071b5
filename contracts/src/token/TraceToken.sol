// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Votes} from "@openzeppelin/contracts/governance/utils/Votes.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {ITraceToken} from "../interfaces/ITraceToken.sol";

/// @title TRACE.
/// @dev OpenZeppelin's ERC-20 and votes, with an account's balance and its delegate in one storage slot: a transfer
/// reads two slots less than with ERC20Votes. The supply is the last checkpoint of all votes. Both behave alike, which
/// the tests compare.
contract TraceToken is ITraceToken, ERC20Permit, Votes, AccessManaged {
    /// @inheritdoc ITraceToken
    uint256 public immutable cap;

    /// @dev Balance in the low 96 bits, delegate above: adding to the word or taking from it moves the balance.
    mapping(address account => uint256) private _holdings;

    /// @param authority The AccessManager.
    /// @param treasury Receives `initialSupply`.
    constructor(address authority, address treasury, uint256 initialSupply, uint256 cap_)
        ERC20("Gridtrace", "TRACE")
        ERC20Permit("Gridtrace")
        AccessManaged(authority)
    {
        if (cap_ == 0 || cap_ > type(uint96).max) revert CapOutOfRange(cap_);
        cap = cap_;
        _mint(treasury, initialSupply);
    }

    /// @inheritdoc ITraceToken
    function mint(address to, uint256 amount) external restricted {
        _mint(to, amount);
    }

    /* VIEWS */

    /// @inheritdoc ERC20
    function totalSupply() public view override returns (uint256) {
        return _getTotalSupply();
    }

    /// @inheritdoc ERC20
    function balanceOf(address account) public view override returns (uint256) {
        return uint96(_holdings[account]);
    }

    /// @inheritdoc Votes
    function delegates(address account) public view override returns (address) {
        return _delegateIn(_holdings[account]);
    }

    /// @notice Unix seconds of the block (ERC-6372).
    function clock() public view override returns (uint48) {
        return SafeCast.toUint48(block.timestamp);
    }

    /// @notice `mode=timestamp` (ERC-6372).
    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    /// @notice Next nonce of an account's permits and signed delegations, which share it.
    function nonces(address owner) public view override(ERC20Permit, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    /* INTERNALS */

    /// @dev Mint and transfer; there is no burning. No balance outgrows its 96 bits: none exceeds the supply, nor that
    /// the cap.
    function _update(address from, address to, uint256 value) internal override {
        if (from == address(0)) {
            uint256 supply = totalSupply();
            if (value > cap - supply) revert CapExceeded(supply, value, cap);
            _holdings[to] += value;
            emit Transfer(from, to, value);
            _transferVotingUnits(from, to, value);
            return;
        }
        uint256 sender = _holdings[from];
        if (uint96(sender) < value) revert ERC20InsufficientBalance(from, uint96(sender), value);
        unchecked {
            _holdings[from] = sender - value;
            uint256 receiver = _holdings[to];
            _holdings[to] = receiver + value;
            emit Transfer(from, to, value);
            _moveDelegateVotes(_delegateIn(sender), _delegateIn(receiver), value);
        }
    }

    function _delegate(address account, address delegatee) internal override {
        uint256 holding = _holdings[account];
        _holdings[account] = uint256(uint160(delegatee)) << 96 | uint96(holding);
        emit DelegateChanged(account, _delegateIn(holding), delegatee);
        _moveDelegateVotes(_delegateIn(holding), delegatee, uint96(holding));
    }

    function _delegateIn(uint256 holding) private pure returns (address) {
        return address(uint160(holding >> 96));
    }

    function _getVotingUnits(address account) internal view override returns (uint256) {
        return balanceOf(account);
    }
}

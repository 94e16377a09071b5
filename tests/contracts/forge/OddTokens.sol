// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice Moves tokens and returns nothing, as some old tokens do.
contract SilentToken {
    mapping(address account => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external {
        allowance[msg.sender][spender] = amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @notice Acts for itself, calls a contract from inside the next transfer, and refuses one receiver.
contract HookToken is ERC20("Hook", "HOOK") {
    error Blocked(address account);

    address private _target;
    bytes private _call;
    bytes public reason;
    address private _blocked;

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function act(address target, bytes calldata data) external {
        (bool ok, bytes memory failure) = target.call(data);
        require(ok, string(failure));
    }

    function setBlocked(address account) external {
        _blocked = account;
    }

    function arm(address target, bytes calldata data) external {
        (_target, _call) = (target, data);
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (to == _blocked && from != address(0)) revert Blocked(to);
        super._update(from, to, amount);
        if (_target == address(0)) return;
        address target = _target;
        _target = address(0);
        (bool ok, bytes memory data) = target.call(_call);
        reason = ok ? bytes("") : data;
    }
}

/// @notice Takes away a part of everybody's balance.
contract ShrinkingToken is ERC20("Shrinking", "SHR") {
    bool private _shrunk;

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function shrink() external {
        _shrunk = true;
    }

    function balanceOf(address account) public view override returns (uint256) {
        return _shrunk ? super.balanceOf(account) / 2 : super.balanceOf(account);
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (_shrunk && from != address(0) && balanceOf(from) < amount) {
            revert ERC20InsufficientBalance(from, balanceOf(from), amount);
        }
        super._update(from, to, _shrunk && from != address(0) ? 2 * amount : amount);
    }
}

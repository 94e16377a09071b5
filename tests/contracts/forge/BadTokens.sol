// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

import {ISettlementExchange} from "../../../contracts/src/interfaces/ISettlementExchange.sol";

/// @notice Keeps one unit of every transfer.
contract FeeToken is ERC20("Fee", "FEE") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (from != address(0) && amount != 0) super._update(to, address(0xfee), 1);
    }
}

/// @notice Calls the exchange again from inside a transfer.
contract ReentrantToken is ERC20("Reentrant", "RE") {
    ISettlementExchange private _exchange;
    bytes private _call;
    bytes public reason;

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function arm(ISettlementExchange exchange, bytes calldata data) external {
        (_exchange, _call) = (exchange, data);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (address(_exchange) == address(0)) return;
        (bool ok, bytes memory data) = address(_exchange).call(_call);
        if (!ok) reason = data;
    }
}

/// @notice Everybody's balance can be cut in half.
contract RebasingToken is ERC20("Rebasing", "REB") {
    uint256 private _divisor = 1;

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function halve() external {
        _divisor *= 2;
    }

    function balanceOf(address account) public view override returns (uint256) {
        return super.balanceOf(account) / _divisor;
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount * _divisor);
    }
}

/// @notice Transfers as others do, but returns nothing, as some old tokens.
contract NoReturnToken {
    mapping(address account => uint256) public balanceOf;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

import {IPaymentToken} from "../interfaces/IPaymentToken.sol";

/// @title Euro of development networks; a production network names its own payment token.
contract PaymentToken is IPaymentToken, ERC20Permit, AccessManaged {
    constructor(address authority)
        ERC20("Gridtrace Devnet Euro", "gEUR")
        ERC20Permit("Gridtrace Devnet Euro")
        AccessManaged(authority)
    {}

    /// @inheritdoc IPaymentToken
    function mint(address to, uint256 amount) external restricted {
        _mint(to, amount);
    }

    /// @inheritdoc ERC20
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}

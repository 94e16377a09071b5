// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ERC1155} from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";

import {ICarbonCredits} from "../interfaces/ICarbonCredits.sol";
import {DocumentUri} from "./DocumentUri.sol";

/// @title Carbon credits.
/// @dev Cap, issued and retired share one storage slot; balances are OpenZeppelin's.
contract CarbonCredits is ICarbonCredits, ERC1155, AccessManaged {
    mapping(uint256 id => Vintage) private _vintages;

    constructor(address authority) ERC1155("") AccessManaged(authority) {}

    /// @inheritdoc ICarbonCredits
    function setVintage(uint64 project, uint16 vintage, uint64 capG, bytes32 document) external restricted {
        uint256 id = idOf(project, vintage);
        Vintage storage entry = _vintages[id];
        if (capG == 0 || capG < entry.issuedG) revert CapTooLow(id, capG, entry.issuedG);
        (entry.capG, entry.document) = (capG, document);
        emit VintageSet(id, project, vintage, capG, document);
        emit URI(uri(id), id);
    }

    /// @inheritdoc ICarbonCredits
    function issue(address to, uint256 id, uint64 amountG, bytes32 evidence) external restricted {
        if (amountG == 0) revert ZeroCredits(id);
        Vintage storage entry = _vintages[id];
        uint64 leftG = entry.capG - entry.issuedG;
        if (amountG > leftG) revert CapExceeded(id, amountG, leftG);
        entry.issuedG += amountG;
        emit CreditsIssued(id, to, amountG, evidence);
        _mint(to, id, amountG, "");
    }

    /// @inheritdoc ICarbonCredits
    function retire(uint256 id, uint64 amountG, address beneficiary, bytes32 reason) external {
        if (amountG == 0) revert ZeroCredits(id);
        if (beneficiary == address(0)) revert ZeroBeneficiary(id);
        _burn(msg.sender, id, amountG);
        _vintages[id].retiredG += amountG;
        emit CreditsRetired(id, msg.sender, beneficiary, amountG, reason);
    }

    /// @inheritdoc ICarbonCredits
    function idOf(uint64 project, uint16 vintage) public pure returns (uint256) {
        return uint256(project) << 16 | vintage;
    }

    /// @inheritdoc ICarbonCredits
    function vintageOf(uint256 id) external view returns (Vintage memory) {
        return _vintages[id];
    }

    /// @notice The verification report's address on IPFS; empty for an unknown vintage.
    function uri(uint256 id) public view override returns (string memory) {
        bytes32 document = _vintages[id].document;
        return document == 0 ? "" : DocumentUri.uri(document);
    }
}

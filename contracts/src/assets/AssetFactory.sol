// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";

import {IAssetFactory} from "../interfaces/IAssetFactory.sol";
import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {AssetToken} from "./AssetToken.sol";

/// @title Creates the plants' tokens.
contract AssetFactory is IAssetFactory, AccessManaged {
    /// @inheritdoc IAssetFactory
    IParticipantRegistry public immutable registry;

    /// @inheritdoc IAssetFactory
    IERC20 public immutable paymentToken;

    /// @inheritdoc IAssetFactory
    mapping(uint64 assetId => address asset) public assetOf;

    constructor(address authority, IParticipantRegistry registry_, IERC20 paymentToken_)
        AccessManaged(authority)
    {
        (registry, paymentToken) = (registry_, paymentToken_);
    }

    /// @inheritdoc IAssetFactory
    function createAsset(Asset calldata creation) external restricted returns (address asset) {
        uint64 assetId = creation.assetId;
        if (assetId == 0) revert ZeroAssetId();
        if (assetOf[assetId] != address(0)) revert AssetExists(assetId, assetOf[assetId]);
        AssetToken token = new AssetToken{salt: bytes32(uint256(assetId))}();
        asset = address(token);
        assetOf[assetId] = asset;
        emit AssetCreated(
            assetId,
            asset,
            creation.owner,
            creation.plantId,
            creation.supply,
            creation.name,
            creation.symbol,
            creation.documentsRoot,
            creation.metadataURI
        );
        token.issue(
            creation.owner,
            creation.supply,
            creation.name,
            creation.symbol,
            creation.documentsRoot,
            creation.metadataURI
        );
    }

    /// @inheritdoc IAssetFactory
    function forceTransfer(
        uint64 assetId,
        address from,
        address to,
        uint96 fractions,
        bool withRevenue,
        string calldata reason
    ) external restricted {
        address asset = assetOf[assetId];
        if (asset == address(0)) revert NoSuchAsset(assetId);
        AssetToken(asset).forceTransfer(from, to, fractions, withRevenue, reason);
    }

    /// @inheritdoc IAssetFactory
    function addressOf(uint64 assetId) external view returns (address asset) {
        return Create2.computeAddress(bytes32(uint256(assetId)), keccak256(type(AssetToken).creationCode));
    }
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IParticipantRegistry} from "./IParticipantRegistry.sol";

/// @title Creates one AssetToken for every plant, and carries out legal orders upon them.
/// @notice A token's address follows from the factory and the asset's number alone (CREATE2), so it is known before.
/// @dev Every token is a contract of its own and not a clone: a clone's call costs 2,700 gas more on every transfer.
interface IAssetFactory {
    /// @param assetId The asset's number, 1 and up; never used again.
    /// @param plantId Hash naming the plant, as in `IParticipantRegistry.Meter`.
    /// @param owner The plant's owner, who receives all fractions; cleared by the registry.
    /// @param supply How many fractions there are, for ever; 1 to 2^60.
    /// @param name Name of the token.
    /// @param symbol Symbol of the token.
    /// @param documentsRoot Merkle root of the documents' hashes.
    /// @param metadataURI Where the description of the asset is.
    struct Asset {
        uint64 assetId;
        bytes32 plantId;
        address owner;
        uint96 supply;
        string name;
        string symbol;
        bytes32 documentsRoot;
        string metadataURI;
    }

    /// @notice A token was created: its events are to be followed from this block on.
    /// @param assetId The asset's number.
    /// @param asset Address of the token.
    /// @param owner The plant's owner.
    /// @param plantId Hash naming the plant, as in `IParticipantRegistry.Meter`.
    /// @param supply Fractions, all of them the owner's.
    /// @param name Name of the token.
    /// @param symbol Symbol of the token.
    /// @param documentsRoot Merkle root of the documents' hashes.
    /// @param metadataURI Where the description of the asset is.
    event AssetCreated(
        uint64 indexed assetId,
        address indexed asset,
        address indexed owner,
        bytes32 plantId,
        uint96 supply,
        string name,
        string symbol,
        bytes32 documentsRoot,
        string metadataURI
    );

    /// @notice Thrown when the number is zero.
    error ZeroAssetId();

    /// @notice Thrown when the number has a token already.
    error AssetExists(uint64 assetId, address asset);

    /// @notice Thrown when the number has no token.
    error NoSuchAsset(uint64 assetId);

    /// @notice Creates the token of a plant. Asset managers only.
    /// @return asset Address of the token: `addressOf(assetId)`.
    function createAsset(Asset calldata creation) external returns (address asset);

    /// @notice Moves fractions by a legal order (`IAssetToken.forceTransfer`). Administrator only: by vote and after the
    /// timelock's delay, since it takes from a holder without his word. A freeze in the registry holds meanwhile.
    function forceTransfer(
        uint64 assetId,
        address from,
        address to,
        uint96 fractions,
        bool withRevenue,
        string calldata reason
    ) external;

    /// @notice The token of an asset; zero where there is none yet.
    function assetOf(uint64 assetId) external view returns (address asset);

    /// @notice Where the token of an asset stands, or will stand.
    function addressOf(uint64 assetId) external view returns (address asset);

    function registry() external view returns (IParticipantRegistry);

    function paymentToken() external view returns (IERC20);
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

import {IParticipantRegistry} from "../interfaces/IParticipantRegistry.sol";
import {IProductRegistry} from "../interfaces/IProductRegistry.sol";

/// @title Products as hash chains.
/// @dev Two storage slots a product, both written by every link.
contract ProductRegistry is IProductRegistry {
    uint16 private constant CHANGE_OF_OWNER = 0;

    IParticipantRegistry public immutable registry;

    mapping(bytes32 productId => Product) private _products;

    /// @inheritdoc IProductRegistry
    mapping(bytes32 productId => address) public offeredTo;

    mapping(bytes32 productId => mapping(address owner => mapping(address handler => bool))) private
        _handlers;

    constructor(IParticipantRegistry registry_) {
        registry = registry_;
    }

    modifier whenCleared() {
        if (!registry.isCleared(msg.sender, 0)) revert CallerNotCleared(msg.sender);
        _;
    }

    /* PRODUCTS AND CHECKPOINTS */

    /// @inheritdoc IProductRegistry
    function register(bytes32 label, bytes32 documentHash) external whenCleared returns (bytes32 productId) {
        productId = productIdOf(msg.sender, label);
        if (_products[productId].owner != address(0)) revert ProductExists(productId);
        uint64 time = uint64(block.timestamp);
        bytes32 head =
            keccak256(abi.encode(block.chainid, address(this), productId, msg.sender, time, documentHash));
        _products[productId] = Product({head: head, owner: msg.sender, count: 0});
        emit ProductRegistered(productId, msg.sender, label, time, documentHash, head);
    }

    /// @inheritdoc IProductRegistry
    function addCheckpoint(
        bytes32 productId,
        bytes32 previous,
        uint16 kind,
        bytes32 location,
        bytes32 dataHash
    ) external whenCleared returns (bytes32 head) {
        Product storage entry = _existing(productId);
        if (msg.sender != entry.owner && !isHandler(productId, msg.sender)) {
            revert NotHandler(productId, msg.sender);
        }
        if (entry.head != previous) revert StaleHead(productId, previous, entry.head);
        if (kind == CHANGE_OF_OWNER) revert ReservedKind(productId);
        return _append(entry, productId, kind, location, dataHash);
    }

    /* OWNERS AND HANDLERS */

    /// @inheritdoc IProductRegistry
    function setHandler(bytes32 productId, address handler, bool allowed) external whenCleared {
        _owned(productId);
        _handlers[productId][msg.sender][handler] = allowed;
        emit HandlerSet(productId, msg.sender, handler, allowed);
    }

    /// @inheritdoc IProductRegistry
    function offer(bytes32 productId, address to) external whenCleared {
        _owned(productId);
        offeredTo[productId] = to;
        emit ProductOffered(productId, msg.sender, to);
    }

    /// @inheritdoc IProductRegistry
    function accept(bytes32 productId) external whenCleared returns (bytes32 head) {
        Product storage entry = _existing(productId);
        if (offeredTo[productId] != msg.sender) {
            revert NotOffered(productId, msg.sender, offeredTo[productId]);
        }
        delete offeredTo[productId];
        address from = entry.owner;
        entry.owner = msg.sender;
        emit ProductHandedOver(productId, from, msg.sender);
        return _append(entry, productId, CHANGE_OF_OWNER, 0, bytes32(uint256(uint160(msg.sender))));
    }

    /* VIEWS */

    /// @inheritdoc IProductRegistry
    function productIdOf(address registeredBy, bytes32 label) public pure returns (bytes32) {
        return keccak256(abi.encode(registeredBy, label));
    }

    /// @inheritdoc IProductRegistry
    function product(bytes32 productId) external view returns (Product memory) {
        return _products[productId];
    }

    /// @inheritdoc IProductRegistry
    function isHandler(bytes32 productId, address account) public view returns (bool) {
        return _handlers[productId][_products[productId].owner][account];
    }

    /* INTERNALS */

    function _append(
        Product storage entry,
        bytes32 productId,
        uint16 kind,
        bytes32 location,
        bytes32 dataHash
    ) private returns (bytes32 head) {
        uint64 index = entry.count + 1;
        uint64 time = uint64(block.timestamp);
        head = keccak256(abi.encode(entry.head, index, msg.sender, time, kind, location, dataHash));
        (entry.head, entry.count) = (head, index);
        emit CheckpointAdded(productId, msg.sender, index, time, kind, location, dataHash, head);
    }

    function _existing(bytes32 productId) private view returns (Product storage entry) {
        entry = _products[productId];
        if (entry.owner == address(0)) revert UnknownProduct(productId);
    }

    function _owned(bytes32 productId) private view {
        address owner = _existing(productId).owner;
        if (msg.sender != owner) revert NotProductOwner(productId, msg.sender, owner);
    }
}

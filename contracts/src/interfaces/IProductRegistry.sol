// SPDX-License-Identifier: MIT
pragma solidity 0.8.35;

/// @title Products as hash chains: what happened to them, in order, by whom.
/// @notice A product is the head of its chain, the number of its links, and its owner. Everything else is in the
/// events: a reader who hashes them in order must come to the stored head, so nothing can be left out, altered or put
/// in later.
/// @dev Nobody administers this contract: products are their owners'. Whoever writes must be cleared and not frozen
/// in the participant registry. Documents stay off chain and are named by the SHA-256 of their bytes, which also is
/// their IPFS address (CIDv1, raw, sha2-256). No call is made but to the registry, whose answer it trusts.
///
/// The first head is `keccak256(abi.encode(chainId, thisContract, productId, owner, time, documentHash))`, each
/// further one `keccak256(abi.encode(previousHead, index, actor, time, kind, location, dataHash))`, where the first
/// checkpoint's index is 1. A change of owner is the link of kind 0 whose `dataHash` is the new owner, left-padded.
interface IProductRegistry {
    /// @param head Hash of the last link.
    /// @param owner Who may add checkpoints, allow handlers and hand the product over.
    /// @param count Checkpoints and changes of owner so far.
    struct Product {
        bytes32 head;
        address owner;
        uint64 count;
    }

    /// @notice A product was registered: the first link.
    /// @param productId `productIdOf(owner, label)`.
    /// @param owner Who registered it.
    /// @param label The owner's own name for it: a batch or serial number, or its hash.
    /// @param time The block's time, Unix seconds.
    /// @param documentHash SHA-256 of the document that describes it.
    /// @param head The chain's first head.
    event ProductRegistered(
        bytes32 indexed productId,
        address indexed owner,
        bytes32 label,
        uint64 time,
        bytes32 documentHash,
        bytes32 head
    );

    /// @notice A checkpoint, or a change of owner (kind 0), was added.
    /// @param productId The product.
    /// @param actor Who added it: the owner, one of his handlers, or the new owner.
    /// @param index Its place in the chain, from 1.
    /// @param time The block's time, Unix seconds.
    /// @param kind What happened: 0 is a change of owner, the rest is numbered by the application.
    /// @param location Where: a code of the application's (UN/LOCODE, geohash) or the hash of a place.
    /// @param dataHash SHA-256 of the document with what was measured; the new owner's address for kind 0.
    /// @param head The chain's head from now on.
    event CheckpointAdded(
        bytes32 indexed productId,
        address indexed actor,
        uint64 indexed index,
        uint64 time,
        uint16 kind,
        bytes32 location,
        bytes32 dataHash,
        bytes32 head
    );

    /// @notice A product was offered to a new owner; to nobody where `to` is zero.
    /// @param productId The product.
    /// @param from Its owner.
    /// @param to Who may accept it.
    event ProductOffered(bytes32 indexed productId, address indexed from, address indexed to);

    /// @notice A product has a new owner. Its `CheckpointAdded` of kind 0 is in the same transaction.
    /// @param productId The product.
    /// @param from The owner before.
    /// @param to The owner from now on.
    event ProductHandedOver(bytes32 indexed productId, address indexed from, address indexed to);

    /// @notice A handler of a product was allowed or dismissed by its owner.
    /// @param productId The product.
    /// @param owner The owner whose handler he is.
    /// @param handler The account.
    /// @param allowed Whether it may add checkpoints while `owner` owns the product.
    event HandlerSet(bytes32 indexed productId, address indexed owner, address indexed handler, bool allowed);

    /// @notice Thrown when the caller is not cleared, or frozen, in the participant registry.
    error CallerNotCleared(address caller);
    /// @notice Thrown when the owner registers a label a second time.
    error ProductExists(bytes32 productId);
    /// @notice Thrown when there is no such product.
    error UnknownProduct(bytes32 productId);
    /// @notice Thrown when the caller is not the product's owner.
    error NotProductOwner(bytes32 productId, address caller, address owner);
    /// @notice Thrown when the caller is neither the product's owner nor one of his handlers.
    error NotHandler(bytes32 productId, address caller);
    /// @notice Thrown when the caller was not offered the product.
    error NotOffered(bytes32 productId, address caller, address offeredTo);
    /// @notice Thrown when a checkpoint does not extend the head: another one came first, or it is there already.
    error StaleHead(bytes32 productId, bytes32 previous, bytes32 head);
    /// @notice Thrown when a checkpoint claims to be a change of owner.
    error ReservedKind(bytes32 productId);

    /// @notice Registers a product in the caller's name. Any cleared participant.
    /// @param label The caller's own name for it, unique among his products. The id depends on the caller, so nobody
    /// can take another's labels.
    /// @param documentHash SHA-256 of the document that describes it; may be zero.
    function register(bytes32 label, bytes32 documentHash) external returns (bytes32 productId);

    /// @notice Adds a checkpoint at the block's time. The product's owner or one of his handlers, cleared.
    /// @param previous The head it extends. So a transaction sent twice adds once, and nobody extends what he has not
    /// seen.
    /// @param kind What happened, from 1.
    /// @param location Where, as in the event.
    /// @param dataHash SHA-256 of the document with what was measured.
    function addCheckpoint(
        bytes32 productId,
        bytes32 previous,
        uint16 kind,
        bytes32 location,
        bytes32 dataHash
    ) external returns (bytes32 head);

    /// @notice Allows or dismisses a handler of a product. Its owner only, cleared. Handlers go with the owner: a new
    /// owner starts with none, and one who gets a product back finds his own again.
    function setHandler(bytes32 productId, address handler, bool allowed) external;

    /// @notice Offers a product to a new owner, in place of an earlier offer; zero takes the offer back. Its owner
    /// only, cleared. An offer stands until it is accepted, replaced or taken back.
    function offer(bytes32 productId, address to) external;

    /// @notice Takes over a product that was offered to the caller, who must be cleared. Adds a link of kind 0.
    function accept(bytes32 productId) external returns (bytes32 head);

    /// @notice The id of a product by who registered it and its label.
    function productIdOf(address registeredBy, bytes32 label) external view returns (bytes32);

    /// @notice A product; all zero where there is none.
    function product(bytes32 productId) external view returns (Product memory);

    /// @notice Whom a product is offered to; zero for nobody.
    function offeredTo(bytes32 productId) external view returns (address);

    /// @notice Whether an account may add checkpoints besides the owner.
    function isHandler(bytes32 productId, address account) external view returns (bool);
}
